// Package wire reads and writes the documents of AWS's protocols: JSON 1.1, and CBOR
// 1.1 as Kinesis has it. Both look alike to who uses them.
package wire
