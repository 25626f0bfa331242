package targettest

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// prefixBytes is the length before each record, little endian.
const prefixBytes = 4

// shard is one file of records. What was written of a refused append stays
// behind its end and is overwritten.
type shard struct {
	file  *os.File
	mutex sync.Mutex
	// end is where the records end; changed is closed when that moves.
	end     int64
	changed chan struct{}
	block   []byte
	// found is where the records ended when it was opened.
	found int64
	// ends are where records end, as far as somebody asked for them.
	ends []int64
}

// openShard opens the file of a shard; it is empty unless it is to be kept.
func openShard(dir string, number int, keep bool) (*shard, error) {
	flags := os.O_RDWR | os.O_CREATE
	if !keep {
		flags |= os.O_TRUNC
	}
	file, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("shard-%d", number)), flags, 0o644)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, err
	}
	return &shard{file: file, end: info.Size(), found: info.Size(), changed: make(chan struct{})}, nil
}

// append writes the records that keep says yes to, all or none.
func (s *shard) append(records [][]byte, keep func() bool) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.block = s.block[:0]
	for _, record := range records {
		if keep() {
			s.block = binary.LittleEndian.AppendUint32(s.block, uint32(len(record)))
			s.block = append(s.block, record...)
		}
	}
	if _, err := s.file.WriteAt(s.block, s.end); err != nil {
		return err
	}
	s.end += int64(len(s.block))
	close(s.changed)
	s.changed = make(chan struct{})
	return nil
}

// place returns where the record with that number begins and ends.
func (s *shard) place(number uint64) (begin, end int64, err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for number >= uint64(len(s.ends)) {
		var prefix [prefixBytes]byte
		begin := s.begin(uint64(len(s.ends)))
		if begin >= s.end {
			return 0, 0, fmt.Errorf("targettest: there is no record %d", number)
		}
		if _, err := s.file.ReadAt(prefix[:], begin); err != nil {
			return 0, 0, err
		}
		s.ends = append(s.ends, begin+prefixBytes+int64(binary.LittleEndian.Uint32(prefix[:])))
	}
	return s.begin(number), s.ends[number], nil
}

// begin is where a record begins: where the one before it ends.
func (s *shard) begin(number uint64) int64 {
	if number == 0 {
		return 0
	}
	return s.ends[number-1]
}

// state returns the end, and what is closed when there is another one.
func (s *shard) state() (end int64, changed <-chan struct{}) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.end, s.changed
}

// position returns the end.
func (s *shard) position() int64 {
	end, _ := s.state()
	return end
}

// visit reads the records between two positions.
func (s *shard) visit(ctx context.Context, from, end int64, visit func([]byte)) error {
	reader := bufio.NewReader(io.NewSectionReader(s.file, from, end-from))
	var record []byte
	for from < end && ctx.Err() == nil {
		var prefix [prefixBytes]byte
		if _, err := io.ReadFull(reader, prefix[:]); err != nil {
			return err
		}
		length := int(binary.LittleEndian.Uint32(prefix[:]))
		if cap(record) < length {
			record = make([]byte, length)
		}
		record = record[:length]
		if _, err := io.ReadFull(reader, record); err != nil {
			return err
		}
		visit(record)
		from += prefixBytes + int64(length)
	}
	return ctx.Err()
}
