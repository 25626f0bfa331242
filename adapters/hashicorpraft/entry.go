package hashicorpraft

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/hashicorp/raft"

	"github.com/millrace-io/millrace/failure"
)

// An entry is the data of one record, little-endian. Its index is the record's
// sequence number.
//
//	off size
//	  0    1  format      1
//	  1    1  type        of raft.LogType
//	  2    2  zero
//	  4    4  extensions  their length
//	  8    8  term
//	 16    8  appended    i64, unix ns; the least i64 = it has no time
//	 24    e  extensions
//	  .    .  data, to the end
const (
	formatNow = 1
	headSize  = 24
	noTime    = -1 << 63
)

func encode(l *raft.Log) []byte {
	b := make([]byte, headSize, headSize+len(l.Extensions)+len(l.Data))
	b[0], b[1] = formatNow, byte(l.Type)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(l.Extensions)))
	binary.LittleEndian.PutUint64(b[8:], l.Term)
	appended := int64(noTime)
	if !l.AppendedAt.IsZero() {
		appended = l.AppendedAt.UnixNano()
	}
	binary.LittleEndian.PutUint64(b[16:], uint64(appended))
	return append(append(b, l.Extensions...), l.Data...)
}

// decode sets all fields of l but the index. What it sets is a copy.
func decode(b []byte, l *raft.Log) error {
	switch {
	case len(b) > 0 && b[0] > formatNow:
		return failure.New(failure.NewerVersion, "hashicorpraft", "format %d of an entry is newer than %d; upgrade to read it", b[0], formatNow)
	case len(b) < headSize || b[0] != formatNow:
		return failure.New(failure.NotOurs, "hashicorpraft", "the record is not an entry of this package")
	}
	extensions := int64(binary.LittleEndian.Uint32(b[4:]))
	if extensions > int64(len(b)-headSize) || b[2] != 0 || b[3] != 0 {
		return failure.New(failure.Corrupt, "hashicorpraft", "extensions of %d bytes in an entry of %d", extensions, len(b))
	}
	*l = raft.Log{Index: l.Index, Type: raft.LogType(b[1]), Term: binary.LittleEndian.Uint64(b[8:])}
	if at := int64(binary.LittleEndian.Uint64(b[16:])); at != noTime {
		l.AppendedAt = time.Unix(0, at)
	}
	rest := b[headSize:]
	if extensions > 0 {
		l.Extensions = slices.Clone(rest[:extensions])
	}
	if int64(len(rest)) > extensions {
		l.Data = slices.Clone(rest[extensions:])
	}
	return nil
}
