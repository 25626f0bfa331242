package model

import (
	"regexp"
	"slices"
	"strings"
)

// Service is what a table says. It does not change after [Parse], and all of it may be
// used by several goroutines.
type Service struct {
	// Name is AWS's short name: "Kinesis".
	Name string
	// Version is the date of the API: "2013-12-02".
	Version string
	// Protocol is "json" or "rest-json".
	Protocol string
	// JSONVersion is the version in the media type: "1.1". Empty for rest-json.
	JSONVersion string
	// TargetPrefix stands before the dot in X-Amz-Target. Empty for rest-json.
	TargetPrefix string
	// Operations, sorted by name.
	Operations []*Operation
	// Shapes, sorted by name.
	Shapes []*Shape
}

// Operation is one call of a service.
type Operation struct {
	// Name is AWS's: "PutRecord".
	Name string
	// Input and Output are structures, or nil if nothing is taken or returned.
	Input, Output *Shape
	// Errors are those that AWS lists, in its order.
	Errors []*Shape
	// Method and Path are where a REST operation is found; otherwise empty.
	Method, Path string
}

// Kind is what values of a shape are.
type Kind uint8

// The kinds, which tables call by the name beside.
const (
	Structure Kind = iota + 1 // structure, or error
	List                      // list
	Map                       // map
	String                    // string
	Integer                   // integer: 32 bits
	Long                      // long: 64 bits
	Float                     // float
	Double                    // double
	Blob                      // blob
	Boolean                   // boolean
	Timestamp                 // timestamp
)

var kindNames = [...]string{"", "structure", "list", "map", "string", "integer", "long", "float", "double", "blob", "boolean", "timestamp"}

// String returns the word that a table has for the kind.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return ""
}

// Shape is a type of AWS's model.
type Shape struct {
	// Name is AWS's, unique in its service.
	Name string
	// Kind says which of the fields below mean something.
	Kind Kind

	// Members of a structure, in AWS's order, which is that of its documents.
	Members []Member
	// Payload is the member that is the body of a REST document, or empty.
	Payload string
	// Event and EventStream mark what is sent in frames after the answer.
	Event, EventStream bool
	// Error says how a structure that is an error is answered; nil if it is none.
	Error *Error

	// Element is what a list holds.
	Element *Shape
	// Key and Value are what a map holds.
	Key, Value *Shape

	// Min and Max bound a value, the characters of a string, the bytes of a blob or
	// the elements of a list or map. Nil is no bound.
	Min, Max *int64
	// Enum lists all values of a string, in AWS's order; nil if there is no such list.
	Enum []string
	// Pattern is AWS's regular expression for all of a string, or empty.
	Pattern string
	// Sensitive values are not repeated in messages.
	Sensitive bool
	// Streaming marks a blob that is too long to be held in memory.
	Streaming bool
	// Format of a timestamp where it is not the protocol's own, or empty.
	Format string

	pattern *regexp.Regexp // Pattern, anchored; nil if there is none
}

// Member is a member of a structure.
type Member struct {
	// Name is AWS's, and that of the field in the Go struct.
	Name string
	// Wire is the name in documents, headers and queries; mostly Name.
	Wire string
	// Shape is what the member holds.
	Shape *Shape
	// Required members may not be absent.
	Required bool
	// Location is "uri", "querystring", "header", "headers" or "statusCode", or empty
	// for a member of the body.
	Location string
}

// Pointer reports whether the Go field of the member is a pointer, so that absent can be
// told from zero: that of a structure, a time, an optional number or boolean, and of a
// string that may be empty because the model says min=0. Any other string that is empty
// is absent, and lists, maps and blobs are absent when nil.
func (m Member) Pointer() bool {
	switch m.Shape.Kind {
	case Structure, Timestamp:
		return true
	case String:
		return m.Shape.Min != nil && *m.Shape.Min == 0
	case Integer, Long, Float, Double, Boolean:
		return !m.Required
	case List, Map, Blob:
	}
	return false
}

// Error is how a structure is answered that is an error.
type Error struct {
	// Status is the HTTP status.
	Status int
	// Fault means that the server is to blame.
	Fault bool
	// Code is the error's name in documents.
	Code string
}

// Operation returns the operation of that name, or nil.
func (s *Service) Operation(name string) *Operation {
	at, found := slices.BinarySearchFunc(s.Operations, name, func(o *Operation, name string) int {
		return strings.Compare(o.Name, name)
	})
	if !found {
		return nil
	}
	return s.Operations[at]
}

// Shape returns the shape of that name, or nil.
func (s *Service) Shape(name string) *Shape {
	at, found := slices.BinarySearchFunc(s.Shapes, name, func(s *Shape, name string) int {
		return strings.Compare(s.Name, name)
	})
	if !found {
		return nil
	}
	return s.Shapes[at]
}

// Error returns the error whose code in documents is the given one, or nil.
func (s *Service) Error(code string) *Shape {
	for _, shape := range s.Shapes {
		if shape.Error != nil && shape.Error.Code == code {
			return shape
		}
	}
	return nil
}

// Matches reports whether text satisfies the pattern, which all do if there is none.
func (s *Shape) Matches(text string) bool {
	return s.pattern == nil || s.pattern.MatchString(text)
}

// Compile returns the regular expression that Java's Pattern.matches tries: pattern
// must match the whole text. It fails if pattern is none for Go, which knows no
// look-around and no possessive repetition.
func Compile(pattern string) (*regexp.Regexp, error) {
	return regexp.Compile(`\A(?:` + pattern + `)\z`)
}
