package modeltest

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/millrace-io/millrace/kinesis/model"
)

// Violation is a constraint that a value breaks.
type Violation struct {
	// Path is the place, as AWS's messages spell it.
	Path string
	// Constraint is AWS's sentence: "Member must not be null".
	Constraint string
}

// Mutate changes a struct that [Valid] has made so that it breaks up to n constraints, in
// different members, and returns them, or nothing if there is nothing to break. Whoever
// breaks one constraint of a member may break others of the same member with it. What
// would need more than a few kilobytes is not broken, nor what the struct cannot hold: a
// number that is missing, and an empty string.
func Mutate(random *rand.Rand, plan *model.Plan, made any, n int) []Violation {
	m := mutator{generator: generator{random}}
	m.structure(plan.Shape(), reflect.ValueOf(made).Elem(), "")
	random.Shuffle(len(m.sites), func(i, j int) { m.sites[i], m.sites[j] = m.sites[j], m.sites[i] })
	var broken []Violation
	for _, s := range m.sites {
		apart := !slices.ContainsFunc(broken, func(v Violation) bool { return within(v.Path, s.Path) || within(s.Path, v.Path) })
		if len(broken) < n && apart {
			s.apply()
			broken = append(broken, s.Violation)
		}
	}
	return broken
}

// within reports whether one place is the other or lies in it.
func within(inner, outer string) bool {
	return inner == outer || strings.HasPrefix(inner, outer+".")
}

// sizeMax is how many characters, bytes or elements are made to exceed a bound.
const sizeMax = 4096

// site is a constraint that could be broken, and how.
type site struct {
	Violation
	apply func()
}

// mutator collects sites from a value.
type mutator struct {
	generator
	sites []site
}

func (m *mutator) add(path, constraint string, apply func()) {
	m.sites = append(m.sites, site{Violation{path, constraint}, apply})
}

func (m *mutator) structure(shape *model.Shape, v reflect.Value, path string) {
	for i := range shape.Members {
		member := &shape.Members[i]
		if member.Shape.EventStream {
			continue
		}
		here := strings.ToLower(member.Name[:1]) + member.Name[1:]
		if path != "" {
			here = path + "." + here
		}
		field := v.FieldByName(member.Name)
		canBeNull := member.Pointer() || slices.Contains([]reflect.Kind{reflect.Slice, reflect.Map, reflect.String}, field.Kind())
		if member.Required && canBeNull {
			m.add(here, "Member must not be null", field.SetZero)
		}
		if canBeNull && field.IsZero() {
			continue
		}
		emptyHolds := member.Pointer()
		if emptyHolds {
			field = field.Elem()
		}
		m.value(member.Shape, field, here, emptyHolds)
	}
}

// value collects the sites in a value that is there; emptyHolds says whether it may
// become an empty string without becoming absent.
func (m *mutator) value(shape *model.Shape, v reflect.Value, path string, emptyHolds bool) {
	switch shape.Kind {
	case model.Structure:
		m.structure(shape, v, path)
	case model.List:
		m.list(shape, v, path)
	case model.Map:
		m.mapping(shape, v, path)
	case model.String:
		for _, wrong := range m.wrongTexts(shape, v.String(), emptyHolds) {
			m.add(path, wrong.constraint, func() { v.SetString(wrong.text) })
		}
	case model.Integer, model.Long:
		m.number(shape, v, path)
	case model.Float, model.Double:
		if shape.Min != nil {
			m.add(path, textOfMin("value", shape), func() { v.SetFloat(float64(*shape.Min) - 0.5) })
		}
		if shape.Max != nil {
			m.add(path, textOfMax("value", shape), func() { v.SetFloat(float64(*shape.Max) + 0.5) })
		}
	case model.Blob:
		if shape.Min != nil && *shape.Min > 0 {
			m.add(path, textOfMin("length", shape), func() { v.SetBytes(make([]byte, *shape.Min-1)) })
		}
		if shape.Max != nil && *shape.Max <= sizeMax {
			m.add(path, textOfMax("length", shape), func() { v.SetBytes(make([]byte, *shape.Max+1)) })
		}
	case model.Boolean, model.Timestamp:
	}
}

func (m *mutator) number(shape *model.Shape, v reflect.Value, path string) {
	least, most := int64(math.MinInt64), int64(math.MaxInt64)
	if shape.Kind == model.Integer {
		least, most = math.MinInt32, math.MaxInt32
	}
	if shape.Min != nil && *shape.Min > least {
		m.add(path, textOfMin("value", shape), func() { v.SetInt(*shape.Min - 1) })
	}
	if shape.Max != nil && *shape.Max < most {
		m.add(path, textOfMax("value", shape), func() { v.SetInt(*shape.Max + 1) })
	}
}

func (m *mutator) list(shape *model.Shape, v reflect.Value, path string) {
	if shape.Min != nil && *shape.Min > 0 {
		m.add(path, textOfMin("length", shape), func() { v.Set(v.Slice(0, int(*shape.Min)-1)) })
	}
	if shape.Max != nil && *shape.Max <= sizeMax && v.Len() > 0 {
		m.add(path, textOfMax("length", shape), func() {
			for v.Len() <= int(*shape.Max) {
				v.Set(reflect.Append(v, v.Index(0)))
			}
		})
	}
	for i := range v.Len() {
		element := v.Index(i)
		if shape.Element.Kind != model.String {
			m.value(shape.Element, element, path+"."+strconv.Itoa(i+1)+".member", true)
			continue
		}
		for _, wrong := range m.wrongTexts(shape.Element, element.String(), true) {
			m.add(path, "Member must satisfy constraint: "+textOfAll(shape.Element), func() { element.SetString(wrong.text) })
		}
	}
}

func (m *mutator) mapping(shape *model.Shape, v reflect.Value, path string) {
	pairs := v.Interface().(map[string]string)
	if shape.Min != nil && *shape.Min > 0 {
		m.add(path, textOfMin("length", shape), func() { clear(pairs) })
	}
	if shape.Max != nil && *shape.Max <= sizeMax && shape.Key.Enum == nil {
		m.add(path, textOfMax("length", shape), func() {
			for len(pairs) <= int(*shape.Max) {
				pairs[m.text(shape.Key, 0)] = m.text(shape.Value, 0)
			}
		})
	}
	for key, value := range pairs {
		for _, wrong := range m.wrongTexts(shape.Key, key, true) {
			m.add(path, "Map keys must satisfy constraint: "+textOfAll(shape.Key), func() { pairs[wrong.text] = value })
		}
		for _, wrong := range m.wrongTexts(shape.Value, value, true) {
			m.add(path, "Map value must satisfy constraint: "+textOfAll(shape.Value), func() { pairs[key] = wrong.text })
		}
		break // one pair is enough, and the order of a map is no seed's
	}
}

// wrongText is a text that breaks a constraint.
type wrongText struct{ text, constraint string }

// wrongTexts makes of a valid text one for each constraint that it can break.
func (m *mutator) wrongTexts(shape *model.Shape, valid string, emptyHolds bool) []wrongText {
	var wrong []wrongText
	if shape.Enum != nil {
		wrong = append(wrong, wrongText{"NOT_" + valid, textOfEnum(shape)})
	}
	if shape.Min != nil && (*shape.Min > 1 || *shape.Min == 1 && emptyHolds) {
		runes := []rune(valid)
		wrong = append(wrong, wrongText{string(runes[:*shape.Min-1]), textOfMin("length", shape)})
	}
	if shape.Max != nil && *shape.Max <= sizeMax {
		missing := int(*shape.Max) + 1 - utf8.RuneCountInString(valid)
		wrong = append(wrong, wrongText{valid + strings.Repeat("x", missing), textOfMax("length", shape)})
	}
	for _, odd := range []string{"\n", " ", "!", "é", ":", "*", "~"} {
		if _, size := utf8.DecodeRuneInString(valid); !shape.Matches(odd + valid[size:]) {
			wrong = append(wrong, wrongText{odd + valid[size:], "Member must satisfy regular expression pattern: " + shape.Pattern})
			break
		}
	}
	return wrong
}

func textOfMin(measure string, shape *model.Shape) string {
	return "Member must have " + measure + " greater than or equal to " + strconv.FormatInt(*shape.Min, 10)
}

func textOfMax(measure string, shape *model.Shape) string {
	return "Member must have " + measure + " less than or equal to " + strconv.FormatInt(*shape.Max, 10)
}

func textOfEnum(shape *model.Shape) string {
	return "Member must satisfy enum value set: [" + strings.Join(shape.Enum, ", ") + "]"
}

// textOfAll lists the constraints of a string, as they are told of elements.
func textOfAll(shape *model.Shape) string {
	var texts []string
	if shape.Max != nil {
		texts = append(texts, textOfMax("length", shape))
	}
	if shape.Min != nil {
		texts = append(texts, textOfMin("length", shape))
	}
	if shape.Pattern != "" {
		texts = append(texts, "Member must satisfy regular expression pattern: "+shape.Pattern)
	}
	if shape.Enum != nil {
		texts = append(texts, textOfEnum(shape))
	}
	return "[" + strings.Join(texts, ", ") + "]"
}
