package wire_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/millrace-io/millrace/kinesis/wire"
)

// A value of the tests is nil, a bool, int64, float64, string, []byte, time.Time, []any
// or map[string]any.

// write writes the value as it is.
func write(w wire.Writer, value any) {
	switch v := value.(type) {
	case nil:
		w.Null()
	case bool:
		w.Bool(v)
	case int64:
		w.Int(v)
	case float64:
		w.Float(v)
	case string:
		w.Text(v)
	case []byte:
		w.Blob(v)
	case time.Time:
		w.Time(v)
	case []any:
		w.List()
		for _, element := range v {
			write(w, element)
		}
		w.EndList()
	case map[string]any:
		w.Object()
		for name, member := range v {
			w.Key(name)
			write(w, member)
		}
		w.EndObject()
	default:
		panic(fmt.Sprintf("a value of type %T", v))
	}
}

// read reads a value of the type that like has: JSON alone does not tell a time from a
// number.
func read(r wire.Reader, like any) (any, error) {
	switch like := like.(type) {
	case nil:
		return nil, r.Null()
	case bool:
		return r.Bool()
	case int64:
		return r.Int()
	case float64:
		return r.Float()
	case string:
		text, err := r.Text()
		return string(text), err
	case []byte:
		return r.Blob([]byte{})
	case time.Time:
		return r.Time()
	case []any:
		return readList(r, like)
	case map[string]any:
		return readObject(r, like)
	default:
		panic(fmt.Sprintf("a value of type %T", like))
	}
}

func readList(r wire.Reader, like []any) (any, error) {
	if err := r.List(); err != nil {
		return nil, err
	}
	list := []any{}
	for {
		more, err := r.More()
		if err != nil || !more {
			return list, err
		}
		if len(list) == len(like) {
			return nil, errors.New("the list is longer than it was")
		}
		element, err := read(r, like[len(list)])
		if err != nil {
			return nil, err
		}
		list = append(list, element)
	}
}

func readObject(r wire.Reader, like map[string]any) (any, error) {
	if err := r.Object(); err != nil {
		return nil, err
	}
	object := map[string]any{}
	for {
		key, more, err := r.Key()
		if err != nil || !more {
			return object, err
		}
		name := string(key)
		if object[name], err = read(r, like[name]); err != nil {
			return nil, err
		}
	}
}

// drawText yields texts that need escapes, long characters, and texts that need neither.
func drawText(t *rapid.T, label string) string {
	return rapid.OneOf(
		rapid.String(),
		rapid.StringMatching(`[a-zA-Z0-9_.-]{0,40}`),
		rapid.StringOf(rapid.RuneFrom([]rune("a\"\\/\b\f\n\r\t\x00\x1f\x7fé\u2028\u2029😀"))),
	).Draw(t, label)
}

func drawTime(t *rapid.T) time.Time {
	return time.UnixMilli(rapid.Int64Range(-62135596800_000, 253402300799_999).Draw(t, "time")).UTC()
}

func drawFloat(t *rapid.T) float64 {
	return rapid.OneOf(
		rapid.Float64().Filter(func(v float64) bool { return !math.IsInf(v, 0) }),
		rapid.Map(rapid.Float32(), func(v float32) float64 { return float64(v) }).Filter(func(v float64) bool { return !math.IsInf(v, 0) }),
		rapid.Just(math.Copysign(0, -1)),
	).Draw(t, "float")
}

// drawValue draws a value with at most so many levels of lists and objects.
func drawValue(t *rapid.T, depth int) any {
	kinds := 9
	if depth == 0 {
		kinds = 7
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return nil
	case 1:
		return rapid.Bool().Draw(t, "bool")
	case 2:
		return rapid.Int64().Draw(t, "int")
	case 3:
		return drawFloat(t)
	case 4:
		return drawText(t, "text")
	case 5:
		return rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "blob")
	case 6:
		return drawTime(t)
	case 7:
		list := []any{}
		for range rapid.IntRange(0, 5).Draw(t, "elements") {
			list = append(list, drawValue(t, depth-1))
		}
		return list
	default:
		object := map[string]any{}
		for range rapid.IntRange(0, 5).Draw(t, "members") {
			object[drawText(t, "name")] = drawValue(t, depth-1)
		}
		return object
	}
}

// drawDocument draws an object of a dozen values, so that a hundred of them are a good
// many.
func drawDocument(t *rapid.T) map[string]any {
	document := map[string]any{}
	for range 12 {
		document[drawText(t, "name")] = drawValue(t, 3)
	}
	return document
}

// encodings are the two writers and readers.
var encodings = []struct {
	name   string
	writer func() wire.Writer
	reader func(document []byte) wire.Reader
}{
	{"JSON", func() wire.Writer { return new(wire.JSONWriter) }, func(d []byte) wire.Reader { return wire.NewJSONReader(d) }},
	{"CBOR", func() wire.Writer { return new(wire.CBORWriter) }, func(d []byte) wire.Reader { return wire.NewCBORReader(d) }},
}

// TestWhatIsWrittenIsRead: a document that the writer made is read back equal, skipped
// to its last byte, and refused wherever it is cut.
func TestWhatIsWrittenIsRead(t *testing.T) {
	for _, encoding := range encodings {
		t.Run(encoding.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				want := drawDocument(t)
				w := encoding.writer()
				write(w, want)
				document := w.Bytes()

				r := encoding.reader(document)
				got, err := read(r, want)
				if err == nil {
					err = r.End()
				}
				if err != nil {
					t.Fatalf("%q: %v", document, err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("%q is read as (-want +got)\n%s", document, diff)
				}
				if err := skipAll(encoding.reader(document)); err != nil {
					t.Fatalf("%q is not skipped: %v", document, err)
				}
				cut := rapid.IntRange(0, len(document)-1).Draw(t, "cut")
				if err := skipAll(encoding.reader(document[:cut])); !isSyntaxError(err) {
					t.Fatalf("%q is skipped: %v", document[:cut], err)
				}
			})
		})
	}
}

func skipAll(r wire.Reader) error {
	if err := r.Skip(); err != nil {
		return err
	}
	return r.End()
}

func isSyntaxError(err error) bool {
	var syntax *wire.SyntaxError
	return errors.As(err, &syntax)
}

func isTypeError(err error) bool {
	var mismatch *wire.TypeError
	return errors.As(err, &mismatch)
}

// plain is the value as encoding/json reads it.
func plain(value any) any {
	switch v := value.(type) {
	case int64:
		return float64(v)
	case []byte:
		return base64.StdEncoding.EncodeToString(v)
	case time.Time:
		return float64(v.UnixMilli()) / 1000
	case []any:
		list := []any{}
		for _, element := range v {
			list = append(list, plain(element))
		}
		return list
	case map[string]any:
		object := map[string]any{}
		for name, member := range v {
			object[name] = plain(member)
		}
		return object
	default:
		return v
	}
}

// typeOfObject is what another library makes of an object.
var typeOfObject = reflect.TypeFor[map[string]any]()
