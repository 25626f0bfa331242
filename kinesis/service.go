package kinesis

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"

	"github.com/millrace-io/millrace/kinesis/model"
)

// Service is one AWS service: its table, and what its operations do.
type Service struct {
	// Table says what operations there are and what goes in and out.
	Table *model.Service
	// Prefix is that of the service's actions in policies: kinesis.
	Prefix string

	operations map[string]operation
	errs       []error
}

// operation serves one call: it reads the body and writes the answer.
type operation func(ctx context.Context, c *Call) error

// NewService returns a service whose operations are still to be given.
func NewService(table *model.Service, prefix string) *Service {
	return &Service{Table: table, Prefix: prefix, operations: make(map[string]operation)}
}

// missing returns an error for every operation of the table that nobody serves, and for
// every one that was given wrongly.
func (s *Service) missing() []error {
	errs := s.errs
	for _, o := range s.Table.Operations {
		if s.operations[o.Name] == nil {
			errs = append(errs, fmt.Errorf("kinesis: nobody serves %s.%s", s.Table.Name, o.Name))
		}
	}
	return errs
}

// HandleRaw has the operation served by code that reads and writes documents itself.
func (s *Service) HandleRaw(name string, serve func(ctx context.Context, c *Call) error) {
	if s.Table.Operation(name) == nil {
		s.errs = append(s.errs, fmt.Errorf("kinesis: %s has no operation %s", s.Table.Name, name))
		return
	}
	s.operations[name] = serve
}

// listed returns the error as the operation's table has it: some tables list an exception of
// their own for what others answer with the error that all services share.
func (s *Service) listed(name string, err *Error) *Error {
	if err.Code != CodeInternalFailure {
		return err
	}
	for _, shape := range s.Table.Operation(name).Errors {
		if shape.Error.Code == codeInternalFailureListed {
			renamed := *err
			renamed.Code = codeInternalFailureListed
			return &renamed
		}
	}
	return err
}

// Codec reads inputs of an operation and writes outputs: for operations that are served
// by [Service.HandleRaw] and need the long way at times.
type Codec[In, Out any] struct {
	input, output *model.Plan
}

// NewCodec binds the types to the operation's shapes. An error is kept and reported by
// [NewFront].
func NewCodec[In, Out any](s *Service, name string) Codec[In, Out] {
	o := s.Table.Operation(name)
	if o == nil {
		s.errs = append(s.errs, fmt.Errorf("kinesis: %s has no operation %s", s.Table.Name, name))
		return Codec[In, Out]{}
	}
	input, err := model.Bind(s.Table, o.Input.Name, reflect.TypeFor[In]())
	if err != nil {
		s.errs = append(s.errs, err)
	}
	k := Codec[In, Out]{input: input}
	if o.Output != nil {
		if k.output, err = model.Bind(s.Table, o.Output.Name, reflect.TypeFor[Out]()); err != nil {
			s.errs = append(s.errs, err)
		}
	}
	return k
}

// Read decodes and checks the body.
func (k Codec[In, Out]) Read(c *Call) (*In, error) {
	in := new(In)
	r := c.Reader()
	err := k.input.Decode(r, in)
	if err == nil {
		err = r.End()
	}
	if err == nil {
		err = k.input.Validate(in)
	}
	var violated *model.ValidationError
	switch {
	case errors.As(err, &violated):
		return nil, &Error{Code: CodeValidation, Message: violated.Error()}
	case err != nil:
		return nil, serialization(err)
	}
	return in, nil
}

// Write sends the answer. An operation without output has an empty one.
func (k Codec[In, Out]) Write(c *Call, out *Out) error {
	if k.output == nil {
		c.answer(http.StatusOK, nil)
		return nil
	}
	w := c.Writer()
	k.output.Encode(w, out)
	c.Answer(w)
	return nil
}

// Handle has the operation served by a function from its input to its output. A nil
// output is an empty one.
func Handle[In, Out any](s *Service, name string, serve func(ctx context.Context, c *Call, in *In) (*Out, error)) {
	codec := NewCodec[In, Out](s, name)
	s.HandleRaw(name, func(ctx context.Context, c *Call) error {
		in, err := codec.Read(c)
		if err != nil {
			return err
		}
		out, err := serve(ctx, c, in)
		if err != nil {
			return err
		}
		if out == nil {
			out = new(Out)
		}
		return codec.Write(c, out)
	})
}

// serialization is the error of a body that is no document, or whose values have the
// wrong type.
func serialization(err error) *Error {
	return &Error{Code: CodeSerialization, Message: err.Error(), Err: err}
}
