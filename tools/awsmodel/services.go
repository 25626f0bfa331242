package main

// source is where a service's model is found and where its files go.
type source struct {
	model   string // in the wheel, below botocore/data
	folder  string // of the service's package
	table   string // file name of the table
	leftOut []exclusion
}

// exclusion is a list of operations that a service does not have yet. Shapes that only
// they use are left out with them.
type exclusion struct {
	operations []string
	why        string
}

// structsFile is the name of the generated Go file of every service.
const structsFile = "shapes.go"

var sources = []source{{
	model:  "kinesis/2013-12-02/service-2.json.gz",
	folder: "kinesis/streams",
	table:  "kinesis.model",
	leftOut: []exclusion{{
		why: "queues come later",
		operations: []string{
			"AcknowledgeDeadLetterQueueRecords", "AcknowledgeQueueRecords", "CreateQueue", "DeleteQueue",
			"DescribeQueue", "ListQueues", "ReceiveDeadLetterQueueRecords", "ReceiveQueueRecords",
			"RestoreDeadLetterQueueRecords", "UpdateDeadLetterQueueRecordsVisibility", "UpdateQueue",
			"UpdateQueueRecordsVisibility",
		},
	}},
}}

// excluded returns why an operation is left out, or "".
func (s source) excluded(operation string) string {
	for _, exclusion := range s.leftOut {
		for _, name := range exclusion.operations {
			if name == operation {
				return exclusion.why
			}
		}
	}
	return ""
}
