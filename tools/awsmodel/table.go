package main

import (
	"fmt"
	"strings"

	"github.com/millrace-io/millrace/kinesis/model"
)

// tableOf writes a service as kinesis/model reads it.
func tableOf(service *model.Service) string {
	var t table
	t.line("service", service.Name)
	t.text("version", service.Version)
	t.text("protocol", service.Protocol)
	t.text("json", service.JSONVersion)
	t.text("target", service.TargetPrefix)
	t.end()
	for _, operation := range service.Operations {
		t.operation(operation)
	}
	for _, shape := range service.Shapes {
		t.shape(shape)
	}
	return t.String()
}

// table is text that grows by lines of attributes.
type table struct{ strings.Builder }

func (t *table) line(word, name string) { t.WriteString(word + " " + name) }
func (t *table) end()                   { t.WriteByte('\n') }

func (t *table) text(key, value string) {
	if value != "" {
		t.WriteString(" " + key + "=" + value)
	}
}

func (t *table) flag(key string, set bool) {
	if set {
		t.WriteString(" " + key)
	}
}

func (t *table) bound(key string, value *int64) {
	if value != nil {
		fmt.Fprintf(t, " %s=%d", key, *value)
	}
}

func (t *table) named(key string, shape *model.Shape) {
	if shape != nil {
		t.text(key, shape.Name)
	}
}

func (t *table) operation(operation *model.Operation) {
	t.line("operation", operation.Name)
	t.text("method", operation.Method)
	t.text("path", operation.Path)
	t.named("in", operation.Input)
	t.named("out", operation.Output)
	var errors []string
	for _, shape := range operation.Errors {
		errors = append(errors, shape.Name)
	}
	t.text("errors", strings.Join(errors, ","))
	t.end()
}

func (t *table) shape(shape *model.Shape) {
	word := shape.Kind.String()
	if shape.Error != nil {
		word = "error"
	}
	t.line(word, shape.Name)
	if e := shape.Error; e != nil {
		fmt.Fprintf(t, " status=%d", e.Status)
		t.flag("fault", e.Fault)
		if e.Code != shape.Name {
			t.text("code", e.Code)
		}
	}
	t.text("payload", shape.Payload)
	t.flag("event", shape.Event)
	t.flag("eventstream", shape.EventStream)
	t.named("of", shape.Element)
	t.named("key", shape.Key)
	t.named("value", shape.Value)
	t.bound("min", shape.Min)
	t.bound("max", shape.Max)
	t.flag("sensitive", shape.Sensitive)
	t.flag("streaming", shape.Streaming)
	t.text("format", shape.Format)
	t.text("enum", strings.Join(shape.Enum, ","))
	t.text("pattern", shape.Pattern)
	t.end()
	for _, member := range shape.Members {
		t.member(member)
	}
}

func (t *table) member(member model.Member) {
	name := member.Name
	if member.Required {
		name += "!"
	}
	t.line("\t"+name, member.Shape.Name)
	if member.Wire != member.Name {
		t.text("name", member.Wire)
	}
	t.text("in", member.Location)
	t.end()
}
