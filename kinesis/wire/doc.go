// Package wire reads and writes the documents of AWS's protocols: JSON 1.1, and CBOR
// 1.1 as Kinesis has it. Both look alike to who uses them: a [Reader] pulls a document
// apart value by value, a [Writer] puts one together call by call, and neither keeps a
// tree, uses reflection or allocates for a value. Event streams frame such documents.
//
//	r := wire.NewJSONReader(body)
//	if err := r.Object(); err != nil {
//		return err
//	}
//	for {
//		name, more, err := r.Key()
//		switch {
//		case err != nil:
//			return err
//		case !more:
//			return r.End()
//		case string(name) == "Data":
//			data, err = r.Blob(data[:0])
//		default:
//			err = r.Skip()
//		}
//		...
//	}
//
// # Caveats
//
// Names and texts lie in the document or in the reader's memory and are good until the
// next call. A name that is in an object twice is handed on twice. Documents nested
// deeper than 64 are refused, so that nobody can make a server recurse for ever.
//
// # Files
//
//	wire.go         what a reader and a writer are
//	errors.go       what is wrong with a document
//	cursor.go       what both readers have in common
//	json_*.go       JSON: reader, numbers, texts, writer
//	cbor_*.go       CBOR: reader, heads of values, writer
//	eventstream.go  frames of event streams
package wire
