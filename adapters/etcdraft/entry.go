package etcdraft

import (
	"encoding/binary"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/millrace-io/millrace/failure"
)

// An entry is the data of one record, little-endian. Its index is the record's
// sequence number, and stands in the message again.
//
//	off size
//	  0    1  format  1
//	  1    7  zero
//	  8    8  term    so that a term is found without decoding the entry
//	 16    .  raftpb.Entry, as Protocol Buffers encode it
const (
	formatNow = 1
	headSize  = 16
)

// Keys of the values. The values of hardKey and snapshotKey are messages of
// raftpb; a position is index and term, 8 bytes each; a number 8 bytes.
const (
	hardKey     = "hard state"
	snapshotKey = "snapshot"
	baseKey     = "base"    // position of the entry before the first one kept
	restartKey  = "restart" // number: entries must begin anew there, and have not yet
)

// position is an index with its term.
type position struct{ index, term uint64 }

func (p position) encode() []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, p.index), p.term)
}

func decodePosition(b []byte) (p position, err error) {
	switch len(b) {
	case 0:
		return p, nil
	case 16:
		return position{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}, nil
	}
	return p, failure.New(failure.NotOurs, "etcdraft", "a position of %d bytes", len(b))
}

func encodeEntry(e *pb.Entry) ([]byte, error) {
	b := make([]byte, headSize, headSize+proto.Size(e))
	b[0] = formatNow
	binary.LittleEndian.PutUint64(b[8:], e.GetTerm())
	b, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(b, e)
	if err != nil {
		return nil, failure.Wrap(failure.InvalidArgument, "etcdraft: encode entry", err)
	}
	return b, nil
}

// decodeTerm reads only the head.
func decodeTerm(b []byte) (uint64, error) {
	switch {
	case len(b) > 0 && b[0] > formatNow:
		return 0, failure.New(failure.NewerVersion, "etcdraft", "format %d of an entry is newer than %d; upgrade to read it", b[0], formatNow)
	case len(b) < headSize || b[0] != formatNow:
		return 0, failure.New(failure.NotOurs, "etcdraft", "the record is not an entry of this package")
	}
	return binary.LittleEndian.Uint64(b[8:]), nil
}

// decodeEntry returns a copy of the entry at the index.
func decodeEntry(b []byte, index uint64) (*pb.Entry, error) {
	term, err := decodeTerm(b)
	if err != nil {
		return nil, err
	}
	e := new(pb.Entry)
	if err := proto.Unmarshal(b[headSize:], e); err != nil {
		return nil, failure.Wrap(failure.Corrupt, "etcdraft: decode entry", err)
	}
	if e.GetIndex() != index || e.GetTerm() != term {
		return nil, failure.New(failure.Corrupt, "etcdraft", "entry %d of term %d stands where %d of %d must be", e.GetIndex(), e.GetTerm(), index, term)
	}
	return e, nil
}
