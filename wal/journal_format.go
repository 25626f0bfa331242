package wal

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/millrace-io/millrace/protocol"
)

// A journal file is a sequence of batches. Each begins on a page of its own, so
// that no byte is written again once somebody was told that it is durable, and
// each is synced before the next one is begun: a bad batch with a good one behind
// it is damage, and a bad one at the end is a torn write. The generation of the
// file's name is in every batch, so that what an earlier use of the same blocks
// left behind is not taken for one. All integers are little-endian.
//
//	off size BATCH
//	  0    4  length      of the batch with this header, without padding to 4096; 0 = not written
//	  4    4  crc         CRC32C over bytes 8..length, then length
//	  8    8  generation  the n of JOURNAL-<n>
//	 16    4  number      of the batch in its file, from 1
//	 20    4  entries
//	 24    .  entries, back to back
//
//	off size ENTRY
//	  0    8  log
//	  8    8  segment
//	 16    8  offset      of the bytes in the segment file, a multiple of 8
//	 24    4  length      of the bytes, a multiple of 8
//	 28    4  zero
//	 32    .  bytes: whole frames
const (
	journalPrefix      = "JOURNAL-"
	journalTempPrefix  = "journal-"
	journalBatchHeader = 24
	journalEntryHeader = 32
	// journalBatchMax bounds a batch, and with it the memory of a replay.
	journalBatchMax = 1 << 20
)

func journalName(generation uint64) string { return fmt.Sprintf("%s%d", journalPrefix, generation) }

func journalGeneration(name string) (uint64, bool) {
	digits, ok := strings.CutPrefix(name, journalPrefix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && n > 0 && journalName(n) == name
}

// isJournalTemp reports whether the file was being prepared.
func isJournalTemp(name string) bool {
	return strings.HasPrefix(name, journalTempPrefix) && strings.HasSuffix(name, spareSuffix)
}

// journalEntry says where bytes belong.
type journalEntry struct {
	log, segment uint64
	offset       int64
	bytes        []byte
}

// appendJournalEntry appends the header of an entry of n bytes.
func appendJournalEntry(b []byte, log, segment uint64, offset int64, n int) []byte {
	b = binary.LittleEndian.AppendUint64(b, log)
	b = binary.LittleEndian.AppendUint64(b, segment)
	b = binary.LittleEndian.AppendUint64(b, uint64(offset))
	b = binary.LittleEndian.AppendUint32(b, uint32(n))
	return append(b, 0, 0, 0, 0)
}

// sealJournalBatch completes the header of a batch.
func sealJournalBatch(b []byte, generation uint64, number uint32, entries int) {
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	binary.LittleEndian.PutUint64(b[8:], generation)
	binary.LittleEndian.PutUint32(b[16:], number)
	binary.LittleEndian.PutUint32(b[20:], uint32(entries))
	binary.LittleEndian.PutUint32(b[4:], journalCRC(b))
}

func journalCRC(b []byte) uint32 {
	return protocol.Checksum(protocol.Checksum(0, b[8:]), b[:4])
}

// journalBatchLength returns how long the batch is that begins with the header
// b, or 0 if none of that generation does.
func journalBatchLength(b []byte, generation uint64) int64 {
	length := int64(binary.LittleEndian.Uint32(b))
	if length < journalBatchHeader || length > journalBatchMax || binary.LittleEndian.Uint64(b[8:]) != generation {
		return 0
	}
	return length
}

// checkJournalBatch reports whether a whole batch is good.
func checkJournalBatch(b []byte) (number uint32, good bool) {
	if len(b) < journalBatchHeader || journalCRC(b) != binary.LittleEndian.Uint32(b[4:]) {
		return 0, false
	}
	entries := binary.LittleEndian.Uint32(b[20:])
	for rest := b[journalBatchHeader:]; len(rest) > 0; entries-- {
		if len(rest) < journalEntryHeader || entries == 0 {
			return 0, false
		}
		n, offset := int64(binary.LittleEndian.Uint32(rest[24:])), int64(binary.LittleEndian.Uint64(rest[16:]))
		rest = rest[journalEntryHeader:]
		if n > int64(len(rest)) || n%8 != 0 || offset < 0 || offset > segmentBytesLimit || offset%8 != 0 {
			return 0, false
		}
		rest = rest[n:]
	}
	return binary.LittleEndian.Uint32(b[16:]), entries == 0
}

// walkJournalBatch hands the entries of a good batch to visit, with the place of
// their bytes in it.
func walkJournalBatch(b []byte, visit func(at int, e journalEntry) error) error {
	for at := journalBatchHeader; at < len(b); {
		n := int(binary.LittleEndian.Uint32(b[at+24:]))
		e := journalEntry{
			log: binary.LittleEndian.Uint64(b[at:]), segment: binary.LittleEndian.Uint64(b[at+8:]),
			offset: int64(binary.LittleEndian.Uint64(b[at+16:])),
		}
		at += journalEntryHeader
		e.bytes = b[at : at+n : at+n]
		if err := visit(at, e); err != nil {
			return err
		}
		at += n
	}
	return nil
}

// roundToPage rounds up to the place where a batch may begin.
func roundToPage(n int64) int64 { return (n + pageSize - 1) &^ (pageSize - 1) }
