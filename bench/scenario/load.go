package scenario

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

//go:embed scenarios/*.yaml
var builtin embed.FS

// variantsMax bounds what one matrix makes.
const variantsMax = 512

// file is a scenario as it is written: with a matrix of values for its members.
type file struct {
	Scenario `yaml:",inline"`
	Matrix   yaml.MapSlice `yaml:"matrix"`
}

// Builtin returns the scenarios that come with the harness, expanded.
func Builtin() ([]Scenario, error) {
	names, err := fs.Glob(builtin, "scenarios/*.yaml")
	if err != nil {
		return nil, err
	}
	var all []Scenario
	for _, name := range names {
		b, err := builtin.ReadFile(name)
		if err != nil {
			return nil, err
		}
		parsed, err := Parse(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path.Base(name), err)
		}
		all = append(all, parsed...)
	}
	return all, nil
}

// Load reads the scenarios of a file.
func Load(name string) ([]Scenario, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("scenario: load: %w", err)
	}
	parsed, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return parsed, nil
}

// Parse reads one scenario and expands its matrix. Unknown members are errors
// that point at them.
func Parse(b []byte) ([]Scenario, error) {
	var written file
	if err := yaml.UnmarshalWithOptions(b, &written, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("scenario: parse: %w", err)
	}
	variants := []Scenario{written.Scenario}
	for _, axis := range written.Matrix {
		key, values, err := axisOf(axis)
		if err != nil {
			return nil, fmt.Errorf("scenario %s: %w", written.Name, err)
		}
		if len(variants)*len(values) > variantsMax {
			return nil, fmt.Errorf("scenario %s: its matrix has more than %d variants", written.Name, variantsMax)
		}
		var next []Scenario
		for _, variant := range variants {
			for _, value := range values {
				changed, err := variant.With(key, value)
				if err != nil {
					return nil, err
				}
				changed.Name = variant.Name + "/" + value
				next = append(next, changed)
			}
		}
		variants = next
	}
	var wrong []error
	for i := range variants {
		variants[i].complete()
		wrong = append(wrong, variants[i].Check())
	}
	return variants, errors.Join(wrong...)
}

// axisOf returns one axis of a matrix as text.
func axisOf(item yaml.MapItem) (key string, values []string, err error) {
	key, ok := item.Key.(string)
	list, isList := item.Value.([]any)
	if !ok || !isList || len(list) == 0 {
		return "", nil, fmt.Errorf("matrix: %v is not a member with a list of values", item.Key)
	}
	for _, value := range list {
		values = append(values, fmt.Sprint(value))
	}
	return key, values, nil
}

// With returns a copy with one member set, by its name in YAML.
func (s Scenario) With(key, value string) (Scenario, error) {
	if key == "name" || strings.ContainsAny(key, ":\n") || strings.ContainsAny(value, "\n") {
		return s, fmt.Errorf("scenario %s: %q cannot be set", s.Name, key)
	}
	changed := s
	if s.Options != nil {
		changed.Options = map[string]string{}
		for k, v := range s.Options {
			changed.Options[k] = v
		}
	}
	if option, isOption := strings.CutPrefix(key, "options."); isOption {
		if changed.Options == nil {
			changed.Options = map[string]string{}
		}
		changed.Options[option] = value
		return changed, nil
	}
	if err := yaml.UnmarshalWithOptions([]byte(key+": "+value), &changed, yaml.Strict()); err != nil {
		return s, fmt.Errorf("scenario %s: set %s: %w", s.Name, key, err)
	}
	return changed, nil
}

// Select returns the scenarios of a name: one variant, or all of them if the
// name is that of the whole.
func Select(all []Scenario, name string) ([]Scenario, error) {
	var found []Scenario
	for _, s := range all {
		if s.Name == name || strings.HasPrefix(s.Name, name+"/") {
			found = append(found, s)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("scenario: there is no %q; `millrace bench ls` lists %s", name, strings.Join(Names(all), ", "))
	}
	return found, nil
}

// Names returns the names without variants, sorted.
func Names(all []Scenario) []string {
	var names []string
	for _, s := range all {
		base, _, _ := strings.Cut(s.Name, "/")
		if !slices.Contains(names, base) {
			names = append(names, base)
		}
	}
	slices.Sort(names)
	return names
}
