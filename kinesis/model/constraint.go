package model

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The texts of constraints.
const notNull = "Member must not be null"

func textOfEnum(shape *Shape) string {
	return "Member must satisfy enum value set: [" + strings.Join(shape.Enum, ", ") + "]"
}

func textOfPattern(shape *Shape) string {
	return "Member must satisfy regular expression pattern: " + shape.Pattern
}

func textOfBound(measure, side string, bound int64) string {
	return "Member must have " + measure + " " + side + " than or equal to " + strconv.FormatInt(bound, 10)
}

// allConstraints lists all constraints of a plain shape, as AWS does for the elements of
// a list and the keys and values of a map.
func allConstraints(shape *Shape) string {
	var texts []string
	measure := "length"
	if isNumber(shape.Kind) {
		measure = "value"
	}
	if shape.Max != nil {
		texts = append(texts, textOfBound(measure, "less", *shape.Max))
	}
	if shape.Min != nil {
		texts = append(texts, textOfBound(measure, "greater", *shape.Min))
	}
	if shape.Pattern != "" {
		texts = append(texts, textOfPattern(shape))
	}
	if shape.Enum != nil {
		texts = append(texts, textOfEnum(shape))
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

func isNumber(kind Kind) bool {
	return kind == Integer || kind == Long || kind == Float || kind == Double
}

// outOfBounds returns the bound that a length or value is beyond, if any.
func outOfBounds(shape *Shape, measure string, n int64) []string {
	switch {
	case shape.Min != nil && n < *shape.Min:
		return []string{textOfBound(measure, "greater", *shape.Min)}
	case shape.Max != nil && n > *shape.Max:
		return []string{textOfBound(measure, "less", *shape.Max)}
	}
	return nil
}

// patternBytesMax is how much of a text is tried against a pattern if it is too long
// anyhow: not to have requests that cost more time than bytes.
const patternBytesMax = 16 << 10

// violated returns the constraints of a string that text breaks.
func violated(shape *Shape, text string) []string {
	var texts, bounds []string
	if shape.Min != nil || shape.Max != nil {
		bounds = outOfBounds(shape, "length", int64(utf8.RuneCountInString(text)))
	}
	if shape.Enum != nil && !slices.Contains(shape.Enum, text) {
		texts = append(texts, textOfEnum(shape))
	}
	if (len(text) <= patternBytesMax || bounds == nil) && !shape.Matches(text) {
		texts = append(texts, textOfPattern(shape))
	}
	return append(texts, bounds...)
}

// violatedBy returns the constraints that a plain value breaks.
func violatedBy(shape *Shape, v reflect.Value) []string {
	switch shape.Kind {
	case String:
		return violated(shape, v.String())
	case Integer, Long:
		return outOfBounds(shape, "value", v.Int())
	case Float, Double:
		return floatOutOfBounds(shape, v.Float())
	case Blob:
		return outOfBounds(shape, "length", int64(v.Len()))
	case Structure, List, Map, Boolean, Timestamp:
	}
	return nil
}

func floatOutOfBounds(shape *Shape, f float64) []string {
	switch {
	case shape.Min != nil && f < float64(*shape.Min):
		return []string{textOfBound("value", "greater", *shape.Min)}
	case shape.Max != nil && f > float64(*shape.Max):
		return []string{textOfBound("value", "less", *shape.Max)}
	}
	return nil
}
