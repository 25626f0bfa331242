package lines

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/millrace-io/millrace/record"
)

// encodingBase64 marks data that is not text in the JSON form.
const encodingBase64 = "base64"

// Record is a stored record to print.
type Record struct {
	Shard    record.ShardID
	Sequence uint64
	Arrival  time.Time
	Key      string
	// Hash is the hash key, explicit or derived.
	Hash record.HashKey
	Data []byte
	// Aggregated is set for a record that was found inside another, as the
	// record number Subsequence of it, from 0. Sequence is that of the other.
	Aggregated  bool
	Subsequence int
}

// Directives describes the template language, one directive a line.
const Directives = `  %v  data               %b  data in base64        %x  data in hexadecimal
  %k  partition key      %h  hash key, decimal     %l  bytes of data
  %s  sequence number    %S  shard                 %%  a percent sign
  %t  arrival, RFC 3339  %T  arrival, Unix milliseconds
  %u  number within an aggregated record, from 0
  \n  line end           \t  tab                   \\  a backslash`

// appender appends one part of a printed record.
type appender func(destination []byte, r Record) []byte

// directives are the letters behind a percent sign.
var directives = map[byte]appender{
	'v': func(d []byte, r Record) []byte { return append(d, r.Data...) },
	'b': func(d []byte, r Record) []byte { return base64.StdEncoding.AppendEncode(d, r.Data) },
	'x': func(d []byte, r Record) []byte { return hex.AppendEncode(d, r.Data) },
	'l': func(d []byte, r Record) []byte { return strconv.AppendInt(d, int64(len(r.Data)), 10) },
	'k': func(d []byte, r Record) []byte { return append(d, r.Key...) },
	'h': func(d []byte, r Record) []byte { return append(d, r.Hash.String()...) },
	's': func(d []byte, r Record) []byte { return strconv.AppendUint(d, r.Sequence, 10) },
	'u': func(d []byte, r Record) []byte { return strconv.AppendInt(d, int64(r.Subsequence), 10) },
	'S': func(d []byte, r Record) []byte { return r.Shard.AppendText(d) },
	't': func(d []byte, r Record) []byte { return r.Arrival.UTC().AppendFormat(d, time.RFC3339Nano) },
	'T': func(d []byte, r Record) []byte { return strconv.AppendInt(d, r.Arrival.UnixMilli(), 10) },
	'%': func(d []byte, _ Record) []byte { return append(d, '%') },
}

// Format is a parsed template.
type Format struct{ parts []appender }

// ParseFormat reads a template. A line end is added unless it ends with one,
// so that the template "%k %v" prints lines.
func ParseFormat(template string) (Format, error) {
	var format Format
	var literal strings.Builder
	flush := func() {
		if text := literal.String(); text != "" {
			format.parts = append(format.parts, func(d []byte, _ Record) []byte { return append(d, text...) })
			literal.Reset()
		}
	}
	for i := 0; i < len(template); i++ {
		c := template[i]
		if c != '%' && c != '\\' {
			literal.WriteByte(c)
			continue
		}
		i++
		if i == len(template) {
			return Format{}, fmt.Errorf("format %q: ends within %q", template, c)
		}
		if c == '\\' {
			escaped, known := map[byte]byte{'n': '\n', 't': '\t', '\\': '\\'}[template[i]]
			if !known {
				return Format{}, fmt.Errorf(`format %q: unknown escape \%c, use \n, \t or \\`, template, template[i])
			}
			literal.WriteByte(escaped)
			continue
		}
		part, known := directives[template[i]]
		if !known {
			return Format{}, fmt.Errorf("format %q: unknown directive %%%c, see: millrace help formats", template, template[i])
		}
		flush()
		format.parts = append(format.parts, part)
	}
	if !strings.HasSuffix(literal.String(), "\n") {
		literal.WriteByte('\n')
	}
	flush()
	return format, nil
}

// Append appends the record as the template has it.
func (f Format) Append(destination []byte, r Record) []byte {
	for _, part := range f.parts {
		destination = part(destination, r)
	}
	return destination
}

// AppendJSON appends the record as one JSON object and a line end. Data that is
// not UTF-8, and any data with inBase64, is encoded and marked.
func AppendJSON(b []byte, r Record, inBase64 bool) []byte {
	b = append(b, `{"shard":"`...)
	b = r.Shard.AppendText(b)
	b = append(b, `","sequence":`...)
	b = strconv.AppendUint(b, r.Sequence, 10)
	if r.Aggregated {
		b = append(b, `,"subsequence":`...)
		b = strconv.AppendInt(b, int64(r.Subsequence), 10)
	}
	b = append(b, `,"time":"`...)
	b = r.Arrival.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","key":`...)
	b = appendJSONString(b, r.Key)
	b = append(b, `,"hash":"`...)
	b = append(b, r.Hash.String()...)
	if inBase64 || !utf8.Valid(r.Data) {
		b = append(b, `","encoding":"`+encodingBase64+`","data":"`...)
		b = base64.StdEncoding.AppendEncode(b, r.Data)
		return append(b, "\"}\n"...)
	}
	b = append(b, `","data":`...)
	b = appendJSONString(b, string(r.Data))
	return append(b, "}\n"...)
}

// appendJSONString appends text as a JSON string. Most text needs no escapes,
// and the encoder is five times slower than a look at every byte.
func appendJSONString(b []byte, text string) []byte {
	plain := true
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			plain = false
			break
		}
	}
	if plain {
		b = append(b, '"')
		b = append(b, text...)
		return append(b, '"')
	}
	var encoded bytes.Buffer
	encoder := json.NewEncoder(&encoded)
	encoder.SetEscapeHTML(false)
	// A string cannot fail to encode; the encoder adds a line end.
	_ = encoder.Encode(text)
	return append(b, bytes.TrimRight(encoded.Bytes(), "\n")...)
}
