package model

import (
	"slices"
	"strconv"
	"strings"

	"github.com/millrace-io/millrace/failure"
)

// Parse reads a table; the package comment describes it. What is no table is
// failure.Malformed and says in which line.
func Parse(table string) (*Service, error) {
	p := parser{service: &Service{}, shapes: make(map[string]*Shape)}
	for line := range strings.SplitSeq(table, "\n") {
		p.line++
		if line == "" || line[0] == '#' {
			continue
		}
		p.parse(line)
		if p.err != nil {
			return nil, p.err
		}
	}
	p.finish()
	if p.err != nil {
		return nil, p.err
	}
	return p.service, nil
}

// parser reads lines. The first error stays, with the number of its line.
type parser struct {
	service *Service
	line    int
	err     error

	shapes     map[string]*Shape // those declared and those only spoken of, without a kind
	spokenOf   []mention
	structure  *Shape // the one whose members may follow
	operations map[string]bool
}

// mention is where a shape was first spoken of.
type mention struct {
	shape *Shape
	line  int
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		args = append([]any{p.line}, args...)
		p.err = failure.New(failure.Malformed, "kinesis/model: parse", "line %d: "+format, args...)
	}
}

func (p *parser) parse(line string) {
	if member, indented := strings.CutPrefix(line, "\t"); indented {
		p.member(member)
		return
	}
	p.structure = nil
	word, rest, _ := strings.Cut(line, " ")
	name, rest, _ := strings.Cut(rest, " ")
	if !isName(name) {
		p.fail("%q is no name", name)
		return
	}
	attributes := p.attributes(rest)
	switch {
	case word == "service":
		p.header(name, attributes)
	case p.service.Name == "":
		p.fail("the service comes first")
	case word == "operation":
		p.operation(name, attributes)
	default:
		p.shape(word, name, attributes)
	}
	attributes.finish()
}

func (p *parser) header(name string, a *attributes) {
	if p.service.Name != "" {
		p.fail("a second service")
		return
	}
	p.service.Name = name
	p.service.Version = a.text("version")
	p.service.Protocol = a.text("protocol")
	p.service.JSONVersion = a.text("json")
	p.service.TargetPrefix = a.text("target")
}

func (p *parser) operation(name string, a *attributes) {
	if p.operations[name] {
		p.fail("a second operation %s", name)
		return
	}
	if p.operations == nil {
		p.operations = make(map[string]bool)
	}
	p.operations[name] = true
	operation := &Operation{Name: name, Input: p.mentioned(a, "in"), Output: p.mentioned(a, "out")}
	for _, name := range a.list("errors") {
		operation.Errors = append(operation.Errors, p.named(name))
	}
	operation.Method, operation.Path = a.text("method"), a.text("path")
	p.service.Operations = append(p.service.Operations, operation)
}

func (p *parser) shape(word, name string, a *attributes) {
	shape := p.named(name)
	if shape.Kind != 0 {
		p.fail("a second shape %s", name)
		return
	}
	if word == "error" {
		shape.Kind, shape.Error = Structure, p.errorOf(name, a)
	} else if at := slices.Index(kindNames[:], word); at > 0 {
		shape.Kind = Kind(at)
	} else {
		p.fail("%q declares nothing", word)
		return
	}
	switch shape.Kind {
	case Structure:
		p.structure = shape
		shape.Payload = a.text("payload")
		shape.Event, shape.EventStream = a.is("event"), a.is("eventstream")
		return
	case List:
		shape.Element = p.mentioned(a, "of")
		p.need(shape.Element, "of")
	case Map:
		shape.Key, shape.Value = p.mentioned(a, "key"), p.mentioned(a, "value")
		p.need(shape.Key, "key")
		p.need(shape.Value, "value")
	case String:
		shape.Sensitive = a.is("sensitive")
		shape.Enum = a.list("enum")
		p.pattern(shape, a.text("pattern"))
	case Blob:
		shape.Streaming = a.is("streaming")
	case Timestamp:
		shape.Format = a.text("format")
	case Integer, Long, Float, Double, Boolean:
	}
	shape.Min, shape.Max = a.number("min"), a.number("max")
}

func (p *parser) need(shape *Shape, attribute string) {
	if shape == nil {
		p.fail("%s= is missing", attribute)
	}
}

func (p *parser) errorOf(name string, a *attributes) *Error {
	result := &Error{Fault: a.is("fault"), Code: a.text("code")}
	if result.Code == "" {
		result.Code = name
	}
	status := a.number("status")
	if status == nil || *status < 300 || *status > 599 {
		p.fail("an error has a status between 300 and 599")
		return result
	}
	result.Status = int(*status)
	return result
}

func (p *parser) pattern(shape *Shape, pattern string) {
	if pattern == "" {
		return
	}
	compiled, err := Compile(pattern)
	if err != nil {
		p.fail("pattern of %s: %v", shape.Name, err)
		return
	}
	shape.Pattern, shape.pattern = pattern, compiled
}

func (p *parser) member(line string) {
	if p.structure == nil {
		p.fail("a member without a structure")
		return
	}
	name, rest, _ := strings.Cut(line, " ")
	shape, rest, _ := strings.Cut(rest, " ")
	name, required := strings.CutSuffix(name, "!")
	if !isName(name) || !isName(shape) {
		p.fail("a member has a name and a shape")
		return
	}
	if slices.ContainsFunc(p.structure.Members, func(m Member) bool { return m.Name == name }) {
		p.fail("a second member %s", name)
		return
	}
	a := p.attributes(rest)
	member := Member{Name: name, Wire: a.text("name"), Shape: p.named(shape), Required: required, Location: a.text("in")}
	a.finish()
	if member.Wire == "" {
		member.Wire = name
	}
	p.structure.Members = append(p.structure.Members, member)
}

// mentioned returns the shape that the attribute names, or nil without it.
func (p *parser) mentioned(a *attributes, key string) *Shape {
	name := a.text(key)
	if name == "" {
		return nil
	}
	return p.named(name)
}

// named returns the shape of that name, which may be declared later.
func (p *parser) named(name string) *Shape {
	shape := p.shapes[name]
	if shape == nil {
		shape = &Shape{Name: name}
		p.shapes[name] = shape
		p.spokenOf = append(p.spokenOf, mention{shape, p.line})
	}
	return shape
}

// finish checks what only the whole table can tell.
func (p *parser) finish() {
	for _, m := range p.spokenOf {
		if m.shape.Kind == 0 {
			p.line = m.line
			p.fail("there is no shape %s", m.shape.Name)
		}
		p.service.Shapes = append(p.service.Shapes, m.shape)
	}
	if p.service.Name == "" {
		p.fail("there is no service")
	}
	for _, shape := range p.service.Shapes {
		if shape.Kind == Map && shape.Key.Kind != String {
			p.fail("the keys of %s are no strings", shape.Name)
		}
	}
	for _, operation := range p.service.Operations {
		for _, shape := range append([]*Shape{operation.Input, operation.Output}, operation.Errors...) {
			if shape != nil && shape.Kind != Structure {
				p.fail("%s of operation %s is no structure", shape.Name, operation.Name)
			}
		}
		for _, shape := range operation.Errors {
			if shape.Error == nil {
				p.fail("%s of operation %s is no error", shape.Name, operation.Name)
			}
		}
	}
	slices.SortFunc(p.service.Shapes, func(a, b *Shape) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(p.service.Operations, func(a, b *Operation) int { return strings.Compare(a.Name, b.Name) })
}

// isName reports whether text is a name of AWS's: letters, digits and underscores.
func isName(text string) bool {
	for i, c := range []byte(text) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && c != '_' && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return text != ""
}

// attributes are the ends of a line. Each is taken once; what is left is an error.
type attributes struct {
	parser *parser
	values map[string]string
}

func (p *parser) attributes(text string) *attributes {
	a := &attributes{parser: p, values: make(map[string]string)}
	for text != "" {
		var word string
		if strings.HasPrefix(text, "pattern=") {
			word, text = text, ""
		} else {
			word, text, _ = strings.Cut(text, " ")
		}
		key, value, _ := strings.Cut(word, "=")
		if _, twice := a.values[key]; twice || key == "" {
			p.fail("attribute %q is empty or given twice", key)
		}
		a.values[key] = value
	}
	return a
}

func (a *attributes) text(key string) string {
	value := a.values[key]
	delete(a.values, key)
	return value
}

func (a *attributes) is(key string) bool {
	_, found := a.values[key]
	delete(a.values, key)
	return found
}

func (a *attributes) list(key string) []string {
	text := a.text(key)
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

func (a *attributes) number(key string) *int64 {
	text := a.text(key)
	if text == "" {
		return nil
	}
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		a.parser.fail("%s=%s is no number", key, text)
		return nil
	}
	return &value
}

func (a *attributes) finish() {
	for key := range a.values {
		a.parser.fail("attribute %s does not belong here", key)
	}
}
