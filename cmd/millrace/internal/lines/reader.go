package lines

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"

	"github.com/millrace-io/millrace/record"
)

// lineMax bounds one line: base64 of the largest record, in JSON, with room for
// its key.
const lineMax = record.DataMax/3*4 + 1<<16

// Options say how a line becomes a record. At most one rule for the key may be
// given; without any, every record gets a random key of its own, which spreads
// records evenly over the shards and promises no order between them.
type Options struct {
	// JSON reads every line as an object with the members key, data and hash.
	// Key then stands in for a missing member key.
	JSON bool
	// Base64 decodes data.
	Base64 bool
	// Key is the partition key of every record.
	Key string
	// KeySeparator ends the key: the data is what follows it.
	KeySeparator string
	// KeyField finds the key within the data, which stays whole: a number is a
	// column, counted from 1, of a line split by FieldSeparator; a name is a
	// member of the JSON object that the line is.
	KeyField string
	// FieldSeparator splits columns. Default: a comma.
	FieldSeparator string
}

// validate returns what is wrong with a combination of options.
func (o Options) validate() error {
	rules := 0
	for _, given := range []bool{o.Key != "", o.KeySeparator != "", o.KeyField != ""} {
		if given {
			rules++
		}
	}
	switch {
	case rules > 1:
		return errors.New("key, key separator and key field exclude each other")
	case o.JSON && (o.KeySeparator != "" || o.KeyField != ""):
		return errors.New("JSON lines name their keys: key separator and key field are for text")
	}
	return nil
}

// Reader reads records, one a line.
type Reader struct {
	options Options
	lines   *bufio.Scanner
	line    int
	column  int // of the key, from 1; 0 when KeyField is a name or absent
}

// NewReader returns a reader of in, or an error if the options exclude each
// other.
func NewReader(in io.Reader, o Options) (*Reader, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if o.FieldSeparator == "" {
		o.FieldSeparator = ","
	}
	scanner := bufio.NewScanner(in)
	scanner.Buffer(make([]byte, 64<<10), lineMax)
	r := &Reader{options: o, lines: scanner}
	if column, err := strconv.Atoi(o.KeyField); err == nil {
		if column < 1 {
			return nil, fmt.Errorf("key field %d: columns count from 1", column)
		}
		r.column = column
	}
	return r, nil
}

// Next returns the next record, whose memory is the caller's, or io.EOF. Other
// errors name the line.
func (r *Reader) Next() (record.Record, error) {
	if !r.lines.Scan() {
		err := r.lines.Err()
		if err == nil {
			return record.Record{}, io.EOF
		}
		return record.Record{}, fmt.Errorf("line %d: %w", r.line+1, err)
	}
	r.line++
	var rec record.Record
	var err error
	if r.options.JSON {
		rec, err = r.parseJSON(r.lines.Bytes())
	} else {
		rec, err = r.parseText(r.lines.Bytes())
	}
	if err != nil {
		return record.Record{}, fmt.Errorf("line %d: %w", r.line, err)
	}
	return rec, nil
}

// parseText applies the rule for the key.
func (r *Reader) parseText(line []byte) (record.Record, error) {
	key, data := r.options.Key, line
	switch {
	case r.options.KeySeparator != "":
		before, after, found := bytes.Cut(line, []byte(r.options.KeySeparator))
		if !found {
			return record.Record{}, fmt.Errorf("no key separator %q", r.options.KeySeparator)
		}
		key, data = string(before), after
	case r.column > 0:
		columns := bytes.SplitN(line, []byte(r.options.FieldSeparator), r.column+1)
		if len(columns) < r.column {
			return record.Record{}, fmt.Errorf("%d columns, the key is in column %d", len(columns), r.column)
		}
		key = string(columns[r.column-1])
	case r.options.KeyField != "":
		member, err := memberText(line, r.options.KeyField)
		if err != nil {
			return record.Record{}, err
		}
		key = member
	case key == "":
		key = randomKey()
	}
	if key == "" {
		return record.Record{}, errors.New("the partition key is empty")
	}
	data, err := r.decode(data)
	return record.Record{PartitionKey: key, Data: data}, err
}

// decode copies data out of the line buffer, through base64 if asked to.
func (r *Reader) decode(data []byte) ([]byte, error) {
	if !r.options.Base64 {
		return bytes.Clone(data), nil
	}
	plain := make([]byte, base64.StdEncoding.DecodedLen(len(data)))
	n, err := base64.StdEncoding.Decode(plain, data)
	if err != nil {
		return nil, fmt.Errorf("base64: %w", err)
	}
	return plain[:n], nil
}

// jsonRecord is the JSON form of a record. Encoding "base64" marks data that is
// not text.
type jsonRecord struct {
	Key      *string `json:"key"`
	Data     *string `json:"data"`
	Hash     string  `json:"hash"`
	Encoding string  `json:"encoding"`
}

// parseJSON reads one object. Unknown members are let through, so that the
// output of tail is an input.
func (r *Reader) parseJSON(line []byte) (record.Record, error) {
	var in jsonRecord
	if err := json.Unmarshal(line, &in); err != nil {
		return record.Record{}, fmt.Errorf("json: %w", err)
	}
	if in.Data == nil {
		return record.Record{}, errors.New(`json: no member "data"`)
	}
	rec := record.Record{PartitionKey: r.options.Key, Data: []byte(*in.Data)}
	switch {
	case in.Key != nil && *in.Key == "":
		return record.Record{}, errors.New("the partition key is empty")
	case in.Key != nil:
		rec.PartitionKey = *in.Key
	case rec.PartitionKey == "":
		rec.PartitionKey = randomKey()
	}
	if in.Hash != "" {
		hash, err := record.ParseHashKey(in.Hash)
		if err != nil {
			return record.Record{}, err
		}
		rec.ExplicitHash = &hash
	}
	if in.Encoding != "" && in.Encoding != encodingBase64 {
		return record.Record{}, fmt.Errorf("json: unknown encoding %q", in.Encoding)
	}
	if r.options.Base64 || in.Encoding == encodingBase64 {
		plain, err := base64.StdEncoding.DecodeString(*in.Data)
		if err != nil {
			return record.Record{}, fmt.Errorf("base64: %w", err)
		}
		rec.Data = plain
	}
	return rec, nil
}

// memberText returns a member of the JSON object that line is; a number,
// boolean or null is taken as it is written.
func memberText(line []byte, name string) (string, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(line, &object); err != nil {
		return "", fmt.Errorf("json: %w", err)
	}
	raw, found := object[name]
	if !found {
		return "", fmt.Errorf("json: no member %q", name)
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw)
	}
	return text, nil
}

// randomKey returns 16 hexadecimal digits.
func randomKey() string { return fmt.Sprintf("%016x", rand.Uint64()) }
