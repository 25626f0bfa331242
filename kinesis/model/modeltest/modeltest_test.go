package modeltest_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/kinesis/model"
	"github.com/millrace-io/millrace/kinesis/model/modeltest"
	"github.com/millrace-io/millrace/kinesis/wire"
)

// plans binds every structure of the streams service that a request or an answer is.
func plans(t testing.TB) []*model.Plan {
	t.Helper()
	table, err := os.ReadFile("../../streams/kinesis.model")
	if err != nil {
		t.Fatal(err)
	}
	service, err := model.Parse(string(table))
	if err != nil {
		t.Fatal(err)
	}
	for _, operation := range service.Operations {
		for _, shape := range []*model.Shape{operation.Input, operation.Output} {
			if shape != nil && kinesisTypes[shape.Name] == nil {
				t.Errorf("%s is not in kinesisTypes", shape.Name)
			}
		}
	}
	var plans []*model.Plan
	for name, into := range kinesisTypes {
		plan, err := model.Bind(service, name, into)
		if err != nil {
			t.Fatal(err)
		}
		plans = append(plans, plan)
	}
	slices.SortFunc(plans, func(a, b *model.Plan) int { return strings.Compare(a.Shape().Name, b.Shape().Name) })
	return plans
}

func rounds() int {
	if testing.Short() {
		return 10
	}
	return 100
}

// TestValid: what Valid makes is clean, and is the same after a journey through JSON and
// through CBOR.
func TestValid(t *testing.T) {
	for _, plan := range plans(t) {
		for seed := range rounds() {
			made := modeltest.Valid(rand.New(rand.NewPCG(uint64(seed), 1)), plan)
			if err := plan.Validate(made); err != nil {
				t.Fatalf("%s, seed %d: %v", plan.Shape().Name, seed, err)
			}
			var text wire.JSONWriter
			plan.Encode(&text, made)
			var binary wire.CBORWriter
			plan.Encode(&binary, made)
			for _, r := range []wire.Reader{wire.NewJSONReader(text.Bytes()), wire.NewCBORReader(binary.Bytes())} {
				read := plan.New()
				if err := plan.Decode(r, read); err != nil {
					t.Fatalf("%s, seed %d: %T: %v in %s", plan.Shape().Name, seed, r, err, text.Bytes())
				}
				if err := r.End(); err != nil {
					t.Fatalf("%s, seed %d: %T: %v", plan.Shape().Name, seed, r, err)
				}
				if diff := cmp.Diff(made, read); diff != "" {
					t.Fatalf("%s, seed %d: %T (-made +read)\n%s", plan.Shape().Name, seed, r, diff)
				}
			}
		}
	}
}

// TestMutate: every violation that Mutate plants is reported at its place, and nothing
// is reported anywhere else, also after a journey through JSON.
func TestMutate(t *testing.T) {
	planted := make(map[string]int)
	for _, plan := range plans(t) {
		for seed := range rounds() {
			random := rand.New(rand.NewPCG(uint64(seed), 2))
			made := modeltest.Valid(random, plan)
			broken := modeltest.Mutate(random, plan, made, 1+random.IntN(3))
			for _, violation := range broken {
				words := strings.Fields(violation.Constraint)
				planted[strings.Join(words[:min(len(words), 5)], " ")]++
			}
			check(t, plan, seed, broken, plan.Validate(made))
			var text wire.JSONWriter
			plan.Encode(&text, made)
			read := plan.New()
			err := plan.Decode(wire.NewJSONReader(text.Bytes()), read)
			if err == nil {
				err = plan.Validate(read)
			}
			if encodesAbsent(broken) {
				check(t, plan, seed, broken, err)
			}
		}
	}
	if len(planted) < 10 {
		t.Errorf("only these kinds of violations were planted: %v", planted)
	}
}

// encodesAbsent reports whether a document can say what is broken: nil lists, maps and
// blobs that are required are written as empty ones.
func encodesAbsent(broken []modeltest.Violation) bool {
	return !slices.ContainsFunc(broken, func(v modeltest.Violation) bool { return v.Constraint == "Member must not be null" })
}

func check(t *testing.T, plan *model.Plan, seed int, broken []modeltest.Violation, err error) {
	t.Helper()
	var invalid *model.ValidationError
	if errors.As(err, &invalid) != (len(broken) > 0) {
		t.Fatalf("%s, seed %d: %v was broken, and reported %v", plan.Shape().Name, seed, broken, err)
	}
	if invalid == nil {
		return
	}
	for _, violation := range broken {
		want := " at '" + violation.Path + "' failed to satisfy constraint: " + violation.Constraint
		if !slices.ContainsFunc(invalid.Violations, func(got string) bool { return strings.HasSuffix(got, want) }) {
			t.Fatalf("%s, seed %d: %q is missing in %q", plan.Shape().Name, seed, want, invalid.Violations)
		}
	}
	for _, got := range invalid.Violations {
		if !slices.ContainsFunc(broken, func(v modeltest.Violation) bool { return strings.Contains(got, " at '"+v.Path+"' failed") }) {
			t.Fatalf("%s, seed %d: only %v was broken, but reported was %q", plan.Shape().Name, seed, broken, got)
		}
	}
}
