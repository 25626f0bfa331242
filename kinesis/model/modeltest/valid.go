package modeltest

import (
	"math"
	"math/rand/v2"
	"reflect"
	"time"
	"unicode/utf8"

	"github.com/millrace-io/millrace/kinesis/model"
)

// Valid returns a pointer to a new struct of the plan's type that is random and satisfies
// all constraints. Optional members are there half of the time. Values are small: lists
// have a few elements, blobs a few bytes. It panics if it cannot make one, which says
// that the table asks for what no value satisfies, or that this package is too simple.
func Valid(random *rand.Rand, plan *model.Plan) any {
	made := plan.New()
	g := generator{random}
	g.structure(plan.Shape(), reflect.ValueOf(made).Elem(), 0)
	return made
}

// The sizes that values have where their table would allow more.
const (
	depthMax     = 6 // of structures in structures, below which only required members are made
	elementsMore = 3 // elements of a list or map beyond its min
	lengthMore   = 24
	fullLength   = 600 // strings and blobs whose max is this or less are sometimes as long
)

type generator struct{ *rand.Rand }

func (g generator) structure(shape *model.Shape, into reflect.Value, depth int) {
	for i := range shape.Members {
		member := &shape.Members[i]
		if member.Shape.EventStream || !member.Required && (depth > depthMax || g.IntN(2) == 0) {
			continue
		}
		field := into.FieldByName(member.Name)
		if member.Pointer() {
			field.Set(reflect.New(field.Type().Elem()))
			g.value(member.Shape, field.Elem(), depth, 0)
			continue
		}
		g.value(member.Shape, field, depth, 1)
	}
}

// value sets into to a value of the shape. A string has lengthMin characters at least.
func (g generator) value(shape *model.Shape, into reflect.Value, depth, lengthMin int) {
	switch shape.Kind {
	case model.Structure:
		g.structure(shape, into, depth+1)
	case model.List:
		n := g.count(shape)
		into.Set(reflect.MakeSlice(into.Type(), n, n))
		for i := range n {
			g.value(shape.Element, into.Index(i), depth+1, 0)
		}
	case model.Map:
		into.Set(reflect.ValueOf(g.pairs(shape, g.count(shape))))
	case model.String:
		into.SetString(g.text(shape, lengthMin))
	case model.Integer:
		into.SetInt(g.number(shape, math.MinInt32, math.MaxInt32))
	case model.Long:
		into.SetInt(g.number(shape, math.MinInt64, math.MaxInt64))
	case model.Float, model.Double:
		into.SetFloat(g.float(shape))
	case model.Blob:
		into.SetBytes(g.blob(shape))
	case model.Boolean:
		into.SetBool(g.IntN(2) == 0)
	case model.Timestamp:
		into.Set(reflect.ValueOf(time.UnixMilli(g.Int64N(4_000_000_000_000)).UTC()))
	}
}

// bounds returns min and max, or what stands in for them.
func bounds(shape *model.Shape, least, most int64) (from, to int64) {
	if shape.Min != nil {
		least = max(least, *shape.Min)
	}
	if shape.Max != nil {
		most = min(most, *shape.Max)
	}
	return least, most
}

func (g generator) count(shape *model.Shape) int {
	least, most := bounds(shape, 0, math.MaxInt32)
	return int(least + g.Int64N(min(most-least, elementsMore)+1))
}

func (g generator) pairs(shape *model.Shape, n int) map[string]string {
	pairs := make(map[string]string)
	for range 100 * (n + 1) {
		if len(pairs) == n {
			break
		}
		pairs[g.text(shape.Key, 0)] = g.text(shape.Value, 0)
	}
	return pairs
}

// number is now and then a bound itself.
func (g generator) number(shape *model.Shape, least, most int64) int64 {
	least, most = bounds(shape, least, most)
	switch g.IntN(4) {
	case 0:
		return least
	case 1:
		return most
	}
	return least + int64(g.Uint64N(uint64(most-least)|1))
}

func (g generator) float(shape *model.Shape) float64 {
	if shape.Min == nil && shape.Max == nil {
		return g.NormFloat64() * 1e6
	}
	least, most := bounds(shape, math.MinInt32, math.MaxInt32)
	return float64(least) + g.Float64()*float64(most-least)
}

// length chooses a length between the bounds, now and then the greatest.
func (g generator) length(shape *model.Shape, lengthMin int) int {
	least, most := bounds(shape, int64(lengthMin), math.MaxInt32)
	if most <= fullLength && g.IntN(8) == 0 {
		return int(most)
	}
	return int(least + g.Int64N(min(most-least, lengthMore)+1))
}

func (g generator) blob(shape *model.Shape) []byte {
	data := make([]byte, g.length(shape, 0))
	for i := range data {
		data[i] = byte(g.Uint32())
	}
	return data
}

func (g generator) text(shape *model.Shape, lengthMin int) string {
	if shape.Enum != nil {
		return shape.Enum[g.IntN(len(shape.Enum))]
	}
	if shape.Pattern != "" {
		return g.matching(shape, lengthMin)
	}
	text := make([]rune, g.length(shape, lengthMin))
	for i := range text {
		text[i] = g.character()
	}
	return string(text)
}

// character is mostly a letter, and sometimes what encoders stumble over.
func (g generator) character() rune {
	if g.IntN(4) > 0 {
		return rune('a' + g.IntN(26))
	}
	odd := []rune("\"\\/\b\n\x00\x1f\x7f <>&'é€\u2028\ufeff\U0001f600\U0010ffff")
	return odd[g.IntN(len(odd))]
}

// allowed reports whether text is one of the shape's, with lengthMin characters at least.
func allowed(shape *model.Shape, text string, lengthMin int) bool {
	least, most := bounds(shape, int64(lengthMin), math.MaxInt32)
	n := int64(utf8.RuneCountInString(text))
	return least <= n && n <= most && shape.Matches(text)
}
