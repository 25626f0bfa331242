package model

import (
	"fmt"
	"iter"
	"maps"
	"reflect"
	"strings"
)

// violationsMax is how many violations one error lists.
const violationsMax = 10

// ValidationError is a request that breaks constraints of the table.
type ValidationError struct {
	// Violations are AWS's sentences, in the order of the table, at most 10:
	// "Value 'v' at 'streamName' failed to satisfy constraint: Member must …".
	Violations []string
}

// Error returns the message that AWS's ValidationException carries.
func (e *ValidationError) Error() string {
	plural := "s"
	if len(e.Violations) == 1 {
		plural = ""
	}
	return fmt.Sprintf("%d validation error%s detected: %s", len(e.Violations), plural, strings.Join(e.Violations, "; "))
}

// Validate returns a [*ValidationError] if the struct that in points to breaks
// constraints of the table. A required number or boolean is always there: only
// [Plan.Decode] can tell that a document lacks it.
func (p *Plan) Validate(in any) error {
	return p.validate(p.structOf(in), nil)
}

func (p *Plan) validate(v reflect.Value, unheld unheld) error {
	c := checker{unheld: unheld}
	c.check(p.root, v)
	if len(c.violations) == 0 {
		return nil
	}
	return &ValidationError{Violations: c.violations}
}

// checker is the state of one validation.
type checker struct {
	path       path
	unheld     unheld
	violations []string
}

func (c *checker) full() bool { return len(c.violations) >= violationsMax }

// add lists what the value here violates.
func (c *checker) add(n *node, v reflect.Value, constraints ...string) {
	for _, constraint := range constraints {
		if c.full() {
			return
		}
		value := ""
		if !n.shape.Sensitive {
			value = " '" + render(n, v) + "'"
		}
		c.violations = append(c.violations, "Value"+value+" at '"+c.path.String()+"' failed to satisfy constraint: "+constraint)
	}
}

func (c *checker) addNull() {
	if !c.full() {
		c.violations = append(c.violations, "Value null at '"+c.path.String()+"' failed to satisfy constraint: "+notNull)
	}
}

func (c *checker) check(n *node, v reflect.Value) {
	switch n.shape.Kind {
	case Structure:
		for i := range n.fields {
			if c.full() {
				return
			}
			c.path.push(n.fields[i].path)
			c.field(&n.fields[i], v)
			c.path.pop()
		}
	case List:
		c.list(n, v)
	case Map:
		c.mapping(n, v)
	case String, Integer, Long, Float, Double, Blob, Boolean, Timestamp:
		if broken := violatedBy(n.shape, v); broken != nil {
			c.add(n, v, broken...)
		}
	}
}

func (c *checker) field(f *field, in reflect.Value) {
	v, present := f.get(in)
	if len(c.unheld) > 0 {
		if what, noted := c.unheld[c.path.String()]; noted {
			present = what == isEmpty
		}
	}
	switch {
	case present:
		c.check(f.node, v)
	case f.Required:
		c.addNull()
	}
}

// list checks structures one by one. Plain elements are answered for by their list.
func (c *checker) list(n *node, v reflect.Value) {
	c.add(n, v, outOfBounds(n.shape, "length", int64(v.Len()))...)
	each := n.element.shape.Kind == Structure || n.element.shape.Kind == List || n.element.shape.Kind == Map
	for i := 0; i < v.Len() && !c.full(); i++ {
		if each {
			c.path.index(i + 1)
			c.check(n.element, v.Index(i))
			c.path.pop()
		} else if violatedBy(n.element.shape, v.Index(i)) != nil {
			c.add(n, v, "Member must satisfy constraint: "+allConstraints(n.element.shape))
			return
		}
	}
}

func (c *checker) mapping(n *node, v reflect.Value) {
	pairs := v.Interface().(map[string]string)
	c.add(n, v, outOfBounds(n.shape, "length", int64(len(pairs)))...)
	if anyViolates(n.shape.Key, maps.Keys(pairs)) {
		c.add(n, v, "Map keys must satisfy constraint: "+allConstraints(n.shape.Key))
	}
	if anyViolates(n.shape.Value, maps.Values(pairs)) {
		c.add(n, v, "Map value must satisfy constraint: "+allConstraints(n.shape.Value))
	}
}

func anyViolates(shape *Shape, texts iter.Seq[string]) bool {
	for text := range texts {
		if len(violated(shape, text)) > 0 {
			return true
		}
	}
	return false
}
