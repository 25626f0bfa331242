package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace-io/millrace/kinesis/model"
)

// document is a service-2.json of botocore, as far as it is used. The rest is text for
// people and hints for clients.
type document struct {
	Metadata struct {
		APIVersion          string `json:"apiVersion"`
		Protocol            string `json:"protocol"`
		JSONVersion         string `json:"jsonVersion"`
		TargetPrefix        string `json:"targetPrefix"`
		ServiceAbbreviation string `json:"serviceAbbreviation"`
		ServiceID           string `json:"serviceId"`
	} `json:"metadata"`
	Operations map[string]struct {
		HTTP struct {
			Method     string `json:"method"`
			RequestURI string `json:"requestUri"`
		} `json:"http"`
		Input  *reference  `json:"input"`
		Output *reference  `json:"output"`
		Errors []reference `json:"errors"`
	} `json:"operations"`
	Shapes map[string]*shape `json:"shapes"`
}

type reference struct {
	Shape        string `json:"shape"`
	Location     string `json:"location"`
	LocationName string `json:"locationName"`
}

type shape struct {
	Type            string      `json:"type"`
	Required        []string    `json:"required"`
	Members         members     `json:"members"`
	Payload         string      `json:"payload"`
	Event           bool        `json:"event"`
	EventStream     bool        `json:"eventstream"`
	Exception       bool        `json:"exception"`
	Fault           bool        `json:"fault"`
	Member          *reference  `json:"member"`
	Key             *reference  `json:"key"`
	Value           *reference  `json:"value"`
	Min             json.Number `json:"min"`
	Max             json.Number `json:"max"`
	Enum            []string    `json:"enum"`
	Pattern         string      `json:"pattern"`
	Sensitive       bool        `json:"sensitive"`
	Streaming       bool        `json:"streaming"`
	TimestampFormat string      `json:"timestampFormat"`
	Error           struct {
		Code           string `json:"code"`
		HTTPStatusCode int    `json:"httpStatusCode"`
	} `json:"error"`
}

// members are an object whose order counts.
type members []member

type member struct {
	name string
	reference
}

func (m *members) UnmarshalJSON(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	if _, err := decoder.Token(); err != nil {
		return err
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		var next member
		if err := decoder.Decode(&next.reference); err != nil {
			return err
		}
		next.name, _ = name.(string)
		*m = append(*m, next)
	}
	return nil
}

// read makes a service of a document, without what is left out. It fails by name at
// whatever a person has to decide.
func read(text []byte, from source) (*model.Service, error) {
	var parsed document
	if err := json.Unmarshal(text, &parsed); err != nil {
		return nil, err
	}
	r := reader{document: &parsed, shapes: make(map[string]*model.Shape)}
	service := r.service(from)
	if r.err != nil {
		return nil, r.err
	}
	return service, nil
}

// reader takes shapes over as they are spoken of. The first error stays.
type reader struct {
	document *document
	shapes   map[string]*model.Shape
	err      error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *reader) service(from source) *model.Service {
	metadata := r.document.Metadata
	service := &model.Service{
		Name:         strings.ReplaceAll(metadata.ServiceID, " ", ""),
		Version:      metadata.APIVersion,
		Protocol:     metadata.Protocol,
		JSONVersion:  metadata.JSONVersion,
		TargetPrefix: metadata.TargetPrefix,
	}
	for _, exclusion := range from.leftOut {
		for _, name := range exclusion.operations {
			if _, found := r.document.Operations[name]; !found {
				r.fail("operation %s is left out, but the model does not have it", name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.document.Operations)) {
		if from.excluded(name) == "" {
			service.Operations = append(service.Operations, r.operation(name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.shapes)) {
		service.Shapes = append(service.Shapes, r.shapes[name])
	}
	return service
}

func (r *reader) operation(name string) *model.Operation {
	from := r.document.Operations[name]
	operation := &model.Operation{Name: name, Input: r.shape(from.Input), Output: r.shape(from.Output)}
	for _, reference := range from.Errors {
		operation.Errors = append(operation.Errors, r.shape(&reference))
	}
	if from.HTTP.Method != "POST" || from.HTTP.RequestURI != "/" {
		operation.Method, operation.Path = from.HTTP.Method, from.HTTP.RequestURI
	}
	return operation
}

// shape returns the shape that a reference names, and nil for no reference.
func (r *reader) shape(reference *reference) *model.Shape {
	if reference == nil {
		return nil
	}
	name := reference.Shape
	if done := r.shapes[name]; done != nil {
		return done
	}
	from := r.document.Shapes[name]
	if from == nil {
		r.fail("there is no shape %s", name)
		return &model.Shape{Name: name}
	}
	to := &model.Shape{
		Name: name, Kind: r.kind(name, from.Type),
		Payload: from.Payload, Event: from.Event, EventStream: from.EventStream,
		Min: r.bound(name, from.Min), Max: r.bound(name, from.Max),
		Enum: from.Enum, Pattern: from.Pattern, Sensitive: from.Sensitive, Streaming: from.Streaming,
		Format: from.TimestampFormat,
	}
	r.shapes[name] = to // before its members: a shape may hold itself
	to.Element, to.Key, to.Value = r.shape(from.Member), r.shape(from.Key), r.shape(from.Value)
	for _, m := range from.Members {
		to.Members = append(to.Members, model.Member{
			Name: m.name, Wire: wireName(m), Shape: r.shape(&m.reference),
			Required: slices.Contains(from.Required, m.name), Location: m.Location,
		})
	}
	if from.Exception {
		to.Error = errorOf(name, from)
	}
	r.check(to)
	return to
}

func wireName(m member) string {
	if m.LocationName != "" {
		return m.LocationName
	}
	return m.name
}

// errorOf gives an error the status that AWS's protocols use where the model has none.
func errorOf(name string, from *shape) *model.Error {
	result := &model.Error{Status: from.Error.HTTPStatusCode, Fault: from.Fault, Code: from.Error.Code}
	if result.Code == "" {
		result.Code = name
	}
	if result.Status == 0 {
		result.Status = 400
		if result.Fault {
			result.Status = 500
		}
	}
	return result
}

func (r *reader) kind(name, word string) model.Kind {
	for kind := model.Structure; kind.String() != ""; kind++ {
		if kind.String() == word {
			return kind
		}
	}
	r.fail("shape %s is of type %q, which kinesis/model does not know", name, word)
	return 0
}

func (r *reader) bound(name string, number json.Number) *int64 {
	if number == "" {
		return nil
	}
	value, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil {
		r.fail("shape %s: the bound %s is not a whole number", name, number)
	}
	return &value
}

// check refuses what a table cannot say.
func (r *reader) check(shape *model.Shape) {
	if _, err := model.Compile(shape.Pattern); err != nil {
		r.fail("shape %s: Go does not understand the pattern %q: %v; somebody has to decide what is checked in its place", shape.Name, shape.Pattern, err)
	}
	if strings.ContainsAny(shape.Pattern, "\n\r") {
		r.fail("shape %s: the pattern does not fit on a line", shape.Name)
	}
	for _, value := range shape.Enum {
		if value == "" || strings.ContainsAny(value, " ,\n\r") {
			r.fail("shape %s: a table cannot hold the value %q", shape.Name, value)
		}
	}
}
