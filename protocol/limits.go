package protocol

import (
	"unicode/utf8"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/record"
)

// CheckRecord returns nil if r is within the limits of package record: a
// partition key of 1 to 256 characters of valid UTF-8 and no more than 10 MiB of
// data. Its errors are of kind InvalidArgument or TooLarge.
func CheckRecord(r record.Record) error { return checkRecord(r.PartitionKey, len(r.Data)) }

// checkRecord judges a record by its key and the size of its data.
func checkRecord[K ~string | ~[]byte](key K, dataBytes int) error {
	const operation = "protocol: check record"
	switch {
	case len(key) == 0:
		return failure.New(failure.InvalidArgument, operation, "the partition key is empty")
	case len(key) > record.PartitionKeyBytesMax:
		return failure.New(failure.TooLarge, operation,
			"the partition key has %d bytes, the limit is %d", len(key), record.PartitionKeyBytesMax)
	case dataBytes > record.DataMax:
		return failure.New(failure.TooLarge, operation,
			"the data has %d bytes, the limit is %d", dataBytes, record.DataMax)
	}
	characters, valid := countCharacters(key)
	switch {
	case !valid:
		return failure.New(failure.InvalidArgument, operation, "the partition key is not valid UTF-8")
	case characters > record.PartitionKeyMax:
		return failure.New(failure.TooLarge, operation,
			"the partition key has %d characters, the limit is %d", characters, record.PartitionKeyMax)
	}
	return nil
}

// countCharacters returns the number of Unicode characters in text and whether
// it is valid UTF-8. Plain ASCII, the common case, is settled bytewise.
func countCharacters[K ~string | ~[]byte](text K) (characters int, valid bool) {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			// The conversion copies, and allocates only for long keys that are
			// not ASCII.
			whole := string(text)
			return utf8.RuneCountInString(whole), utf8.ValidString(whole)
		}
	}
	return len(text), true
}
