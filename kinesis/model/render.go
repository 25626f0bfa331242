package model

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// renderBytesMax is how much of a value a message repeats.
const renderBytesMax = 4096

// render returns a value as AWS's messages repeat it, which is as Java prints it; of one
// that is too long, the beginning and three dots.
func render(n *node, v reflect.Value) string {
	var text strings.Builder
	renderTo(&text, n, v)
	if text.Len() > renderBytesMax {
		return strings.ToValidUTF8(text.String()[:renderBytesMax], "") + "..."
	}
	return text.String()
}

func renderTo(text *strings.Builder, n *node, v reflect.Value) {
	if n.shape.Sensitive || n.shape.Kind == Map && (n.shape.Key.Sensitive || n.shape.Value.Sensitive) {
		text.WriteString("***")
		return
	}
	switch n.shape.Kind {
	case Structure:
		text.WriteString(n.shape.Name)
		text.WriteByte('(')
		for i := range n.fields {
			separate(text, i)
			renderField(text, &n.fields[i], v)
		}
		text.WriteByte(')')
	case List:
		text.WriteByte('[')
		for i := 0; i < v.Len() && text.Len() <= renderBytesMax; i++ {
			separate(text, i)
			renderTo(text, n.element, v.Index(i))
		}
		text.WriteByte(']')
	case Map:
		renderMap(text, v.Interface().(map[string]string))
	case Blob:
		fmt.Fprintf(text, "java.nio.HeapByteBuffer[pos=0 lim=%d cap=%d]", v.Len(), v.Len())
	case String, Integer, Long, Float, Double, Boolean, Timestamp:
		fmt.Fprint(text, v.Interface())
	}
}

func renderField(text *strings.Builder, f *field, in reflect.Value) {
	text.WriteString(f.path)
	text.WriteByte('=')
	if v, present := f.get(in); present {
		renderTo(text, f.node, v)
	} else {
		text.WriteString("null")
	}
}

func renderMap(text *strings.Builder, pairs map[string]string) {
	text.WriteByte('{')
	for i, key := range slices.Sorted(maps.Keys(pairs)) {
		separate(text, i)
		text.WriteString(key)
		text.WriteByte('=')
		text.WriteString(pairs[key])
	}
	text.WriteByte('}')
}

func separate(text *strings.Builder, i int) {
	if i > 0 {
		text.WriteString(", ")
	}
}
