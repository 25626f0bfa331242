module github.com/millrace-io/millrace/tools/awsmodel

go 1.26.0

require github.com/millrace-io/millrace v0.0.0

require (
	github.com/segmentio/asm v1.2.1 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/millrace-io/millrace => ../..
