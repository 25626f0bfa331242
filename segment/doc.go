// Package segment is one append-only file of a log: a page of header, then
// frames, then, once sealed, an index and a footer.
//
// A segment knows nothing of other files. It is written at explicit offsets by
// one owner (package wal), read by any number of goroutines up to the offset
// that the owner has declared readable, and released when the last of them
// lets go:
//
//	s, err := segment.Create(file, header, segment.AccessMapped)
//	err = s.Write(frames, 4096)   // then sync through the file
//	s.SetReadable(4096 + int64(len(frames)))
//
//	r := segment.NewReader(s)
//	h, frame, err := r.Frame(4096)
//
// A sealed segment can be packed: its bytes compressed, in another file that takes its
// place (packed.go). It is read by offsets as before.
//
// The bytes are specified in docs/format/segment.md; format.go draws them.
//
// # Caveats
//
// Slices returned by a [Reader] alias the mapping (or the reader's buffer with
// AccessPread). They are valid until the next call on that reader, and only
// while a reference from [Segment.Pin] is held.
//
// Nothing here decides what a bad frame means. [Segment.Scan] says where the
// good frames end, and [Segment.Classify] whether the frames behind that place
// prove that something durable was lost.
package segment
