package lines

import (
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
}

// Directives describes the template language, one directive a line.
const Directives = `  %v  data               %b  data in base64        %x  data in hexadecimal
  %k  partition key      %h  hash key, decimal     %l  bytes of data
  %s  sequence number    %S  shard                 %%  a percent sign
  %t  arrival, RFC 3339  %T  arrival, Unix milliseconds
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

// printedRecord is the JSON form of a stored record, in the order of its
// members.
type printedRecord struct {
	Shard    string `json:"shard"`
	Sequence uint64 `json:"sequence"`
	Time     string `json:"time"`
	Key      string `json:"key"`
	Hash     string `json:"hash"`
	Encoding string `json:"encoding,omitempty"`
	Data     string `json:"data"`
}

// AppendJSON appends the record as one JSON object and a line end. Data that is
// not UTF-8, and any data with inBase64, is encoded and marked.
func AppendJSON(destination []byte, r Record, inBase64 bool) ([]byte, error) {
	out := printedRecord{
		Shard: r.Shard.String(), Sequence: r.Sequence, Time: r.Arrival.UTC().Format(time.RFC3339Nano),
		Key: r.Key, Hash: r.Hash.String(), Data: string(r.Data),
	}
	if inBase64 || !utf8.Valid(r.Data) {
		out.Encoding, out.Data = encodingBase64, base64.StdEncoding.EncodeToString(r.Data)
	}
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(out); err != nil {
		return destination, fmt.Errorf("json: %w", err)
	}
	return append(destination, text.String()...), nil
}
