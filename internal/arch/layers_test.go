package arch

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
)

// place is where a package stands. Imports go from a higher rank to a strictly
// lower one; the tens digit of a rank is the layer, the ones digit orders the
// few packages of a layer that build on each other.
type place struct {
	rank int
	why  string // completes "X may not import Y: "
}

// layers places every package; a pattern ending in /* places all packages below
// it that are not named themselves.
var layers = map[string]place{
	"internal/*":                    {0, "a leaf imports nothing of ours"},
	"examples/data":                 {0, "a leaf imports nothing of ours"},
	"internal/vfs/*":                {1, "a simulated file system knows the vfs contract and nothing else"},
	"internal/device":               {1, "it probes a file system"},
	"internal/terminal":             {1, "it prints, and formats with units"},
	"internal/killtest":             {90, "it is a client of servers that it kills"},
	"failure":                       {3, "error kinds are shared by everything and know nobody"},
	"record":                        {4, "the values that flow know only their errors"},
	"protocol/fb":                   {4, "generated accessors know nothing"},
	"protocol":                      {5, "bytes and views: no sockets, no files"},
	"mmap":                          {10, "a mapping does not know what it maps"},
	"index":                         {10, "an index is a table, not a file"},
	"segment":                       {20, "one file knows nothing of other files"},
	"wal":                           {30, "a log knows no hash ranges, limits or names"},
	"wal/*":                         {31, "it is kept in a log and knows nothing of what it is used for"},
	"shard":                         {40, "storage must not know who serves it"},
	"stream":                        {50, "the catalogue is below everything that offers it"},
	"backup/store":                  {53, "a store keeps bytes and does not know what they are"},
	"backup/store/*":                {54, "a store keeps bytes and does not know what they are"},
	"backup":                        {55, "it copies the files of streams, whoever serves them"},
	"auth":                          {5, "a signature does not know what it signs"},
	"record/kpl":                    {5, "records in a record: no streams, no sockets"},
	"":                              {60, "an embedder must not get a server"},
	"kinesis/wire":                  {70, "an encoding does not know what it carries"},
	"kinesis/model":                 {71, "shapes do not know what they mean"},
	"kinesis/model/modeltest":       {72, "it makes values for tests"},
	"kinesis":                       {72, "the front does not know which services it serves"},
	"kinesis/*":                     {73, "services do not meet"},
	"server/native":                 {80, "it speaks a protocol and does not know who listens"},
	"server/access":                 {80, "keys do not know who asks for them"},
	"server/*":                      {81, "it is told what there is to serve"},
	"server":                        {82, "only commands start servers"},
	"client":                        {89, "it is the SDK"},
	"client/*":                      {88, "it is the SDK"},
	"millracetest":                  {90, "it serves the tests of users"},
	"cmd/millrace/internal/measure": {90, "latencies know nothing of what is measured"},
	"cmd/millrace/internal/lines":   {90, "the forms of input and output know nothing of commands"},
	"cmd/millrace/internal/*":       {91, "commands are built from it, not it from commands"},
	"cmd/millrace":                  {99, "nothing imports a command"},
	"bench":                         {90, "it is documentation"},
	"bench/change":                  {90, "statistics know only numbers"},
	"bench/result":                  {90, "a document knows nothing of what made it"},
	"bench/target":                  {90, "interfaces know nobody who implements them"},
	"bench/target/process":          {90, "it starts what it is told"},
	"bench/target/installed":        {91, "it finds what was installed"},
	"bench/target/targettest":       {91, "it is a target like any other"},
	"bench/latency":                 {91, "histograms know nothing of what is measured"},
	"bench/machine":                 {91, "it describes and measures a machine"},
	"bench/scenario":                {91, "it says what to do, not how"},
	"bench/history":                 {91, "it keeps figures"},
	"bench/requests":                {91, "a client knows no target"},
	"bench/ours":                    {92, "it is a target like any other"},
	"bench/report/chart":            {90, "a chart does not know what it shows"},
	"bench/report":                  {91, "it shows documents, whatever made them"},
	"bench/load":                    {92, "a generator does not know what it calls"},
	"bench/runner":                  {93, "it runs one scenario on one target"},
	"bench/worker":                  {94, "it is a runner in a process"},
	"bench/capacity":                {95, "it starts workers"},
	"bench/gate":                    {95, "it starts workers"},
	"bench/versus":                  {95, "it starts workers"},
	"fuzz":                          {92, "it is beside the chain"},
}

// clientMay is the highest rank that the client may import: the leaves. An SDK
// that carried the engine along would be of no use to anybody.
const clientMay = 9

// clientUsers is the lowest rank that may import the client.
const clientUsers = 90

// testOnly are packages that no production code may import.
var testOnly = []string{"backup/store/storetest", "bench/target/targettest", "internal/killtest", "internal/vfs/crashfs", "internal/vfs/errorfs", "internal/vfs/vfstest", "kinesis/model/modeltest", "millracetest"}

func placeOf(dir string) (place, bool) {
	if found, ok := layers[dir]; ok {
		return found, true
	}
	for parent := path.Dir(dir); parent != "." && parent != "/"; parent = path.Dir(parent) {
		if found, ok := layers[parent+"/*"]; ok {
			return found, true
		}
	}
	return place{}, false
}

func TestImportsGoDown(t *testing.T) {
	seen := make(map[string]bool)
	for _, f := range sourceFiles(t) {
		from, known := placeOf(f.dir)
		if !known {
			t.Errorf("%s: package %q has no layer: give it one in internal/arch/layers_test.go", f.path, f.dir)
			continue
		}
		if f.test {
			continue // tests may look around; production code may not
		}
		for _, imported := range f.imports() {
			dir, ours := ourPackage(imported)
			if !ours || seen[f.dir+" "+dir] {
				continue
			}
			seen[f.dir+" "+dir] = true
			if problem := judge(f.dir, from, dir); problem != "" {
				t.Errorf("%s: %s", f.path, problem)
			}
		}
	}
}

// judge returns why the package in from may not import the one in to, or "".
func judge(from string, at place, to string) string {
	target, known := placeOf(to)
	refuse := func(why string) string {
		return fmt.Sprintf("%s may not import %s: %s", display(from), display(to), why)
	}
	isClient := from == "client" || strings.HasPrefix(from, "client/")
	switch {
	case !known:
		return refuse("it has no layer")
	case slices.Contains(testOnly, to):
		return refuse("it exists for tests")
	case isClient && target.rank > clientMay && !strings.HasPrefix(to, "client/"):
		return refuse("the client depends on record, protocol, failure and internal leaves only")
	case strings.HasPrefix(to, "client") && !isClient && at.rank < clientUsers:
		return refuse("only commands and test servers use the client")
	case target.rank == at.rank:
		return refuse(fmt.Sprintf("both are in layer %d, and siblings do not meet (%s)", at.rank/10, at.why))
	case target.rank > at.rank:
		return refuse(fmt.Sprintf("layer %d is not below layer %d (%s)", target.rank/10, at.rank/10, at.why))
	}
	return ""
}

func ourPackage(imported string) (dir string, ours bool) {
	if imported == module {
		return "", true
	}
	return strings.CutPrefix(imported, module+"/")
}

func display(dir string) string {
	if dir == "" {
		return "millrace"
	}
	return dir
}

// TestTheJudgeIsNotAsleep shows that wrong imports are refused.
func TestTheJudgeIsNotAsleep(t *testing.T) {
	for _, c := range []struct {
		from, to string
		fine     bool
	}{
		{"shard", "wal", true},
		{"wal", "shard", false},
		{"wal", "server", false},
		{"mmap", "index", false},
		{"protocol", "record", true},
		{"record", "protocol", false},
		{"failure", "internal/clock", true},
		{"client", "protocol", true},
		{"client", "internal/clock", true},
		{"client", "wal", false},
		{"client", "", false},
		{"server", "client", false},
		{"cmd/millrace", "client", true},
		{"cmd/millrace", "server", true},
		{"server", "server/native", true},
		{"server/native", "server", false},
		{"server/native", "stream", true},
		{"stream", "internal/vfs/crashfs", false},
		{"", "stream", true},
		{"stream", "", false},
		{"shard", "nowhere", false},
	} {
		at, _ := placeOf(c.from)
		if problem := judge(c.from, at, c.to); (problem == "") != c.fine {
			t.Errorf("%s -> %s: %q", display(c.from), display(c.to), problem)
		}
	}
}

// TestLibrariesAreQuiet keeps output and exits out of importable code.
func TestLibrariesAreQuiet(t *testing.T) {
	const quietBelow = 80
	banned := map[string]string{
		"log":      "libraries report through errors and event listeners",
		"log/slog": "libraries report through errors and event listeners",
		"flag":     "configuration reaches a library as typed options",
		"os/exec":  "the engine starts no processes",
	}
	for _, f := range sourceFiles(t) {
		at, _ := placeOf(f.dir)
		if f.test || at.rank >= quietBelow {
			continue
		}
		for _, imported := range f.imports() {
			if why, found := banned[imported]; found {
				t.Errorf("%s may not import %s: %s", f.path, imported, why)
			}
		}
	}
}
