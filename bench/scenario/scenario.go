package scenario

import (
	"errors"
	"fmt"
	"time"

	"github.com/millrace-io/millrace/bench/target"
)

// Kinds of scenario.
const (
	// Traffic is any mix of producers, followers and readers that catch up.
	Traffic = "traffic"
	// Restart fills a log, ends it, and times opening it again.
	Restart = "restart"
	// Full appends to a file system until it has no room left.
	Full = "full"
	// Idle opens shards that hold a record each, and then does nothing: what it
	// costs to have them.
	Idle = "idle"
)

// Scenario is one thing to do, without a matrix: what Expand returns.
type Scenario struct {
	Name        string `yaml:"name" json:"name"`
	Description string `yaml:"description" json:"description,omitempty"`
	// Kind is Traffic unless it says otherwise.
	Kind string `yaml:"kind" json:"kind"`
	// Target is which target of ours runs it: wal, engine, native or kinesis.
	Target string `yaml:"target" json:"target"`

	// Topics times PartitionsPerTopic is the number of shards.
	Topics             int `yaml:"topics" json:"topics"`
	PartitionsPerTopic int `yaml:"partitionsPerTopic" json:"partitions_per_topic"`
	// MessageSize is that of each record; at least 16 bytes.
	MessageSize Size `yaml:"messageSize" json:"message_size"`
	// BatchSize is records in one append.
	BatchSize int `yaml:"batchSize" json:"batch_size"`
	// ProducersPerTopic is goroutines that append and wait; with Asynchronous
	// it is 1, and what is under way is bounded by InFlight.
	ProducersPerTopic int `yaml:"producersPerTopic" json:"producers_per_topic"`
	// ProducerRate is records a second of all producers, planned: an open
	// loop. 0 is a closed loop, as fast as acknowledgements come.
	ProducerRate float64 `yaml:"producerRate" json:"producer_rate"`
	// Asynchronous sends without waiting for acknowledgements.
	Asynchronous bool `yaml:"asynchronous" json:"asynchronous"`
	// InFlight bounds records without acknowledgement in a closed loop of
	// asynchronous sending. Default 4096.
	InFlight int `yaml:"inFlight" json:"in_flight"`
	// SubscriptionsPerTopic is consumers of every shard that follow its end.
	SubscriptionsPerTopic int `yaml:"subscriptionsPerTopic" json:"subscriptions_per_topic"`
	// CatchUpReaders read shards from their beginning, over and over while
	// there are producers, and CatchUpPasses times otherwise.
	CatchUpReaders int `yaml:"catchUpReaders" json:"catch_up_readers"`
	CatchUpPasses  int `yaml:"catchUpPasses" json:"catch_up_passes"`
	// LookupReaders read single records in random order, TestDuration long,
	// after whatever else is read. Nobody writes meanwhile.
	LookupReaders int `yaml:"lookupReaders" json:"lookup_readers,omitempty"`
	// Backlog is written before anything is measured.
	Backlog Size `yaml:"backlog" json:"backlog"`
	// Prepared does all of an append beforehand but the append: each producer sends
	// the same records again and again, which nobody can follow. Readers without
	// producers read for TestDuration and count what they get. For clients whose own work would hide the server's.
	Prepared bool `yaml:"prepared" json:"prepared,omitempty"`
	// Touched appends a record to every shard before anything is measured: the first
	// record of a shard may cost what no later one does.
	Touched bool `yaml:"touched" json:"touched,omitempty"`
	// ConsumerBacklogSizeGB is Backlog in the words of the OpenMessaging
	// Benchmark.
	ConsumerBacklogSizeGB float64 `yaml:"consumerBacklogSizeGB" json:"consumer_backlog_size_gb,omitempty"`

	Durability target.Durability `yaml:"durability" json:"durability"`
	// WarmupDuration is run before TestDuration and not in the figures.
	WarmupDuration Duration `yaml:"warmupDuration" json:"warmup_duration"`
	TestDuration   Duration `yaml:"testDuration" json:"test_duration"`
	// Spin is for how long the generator spins before each planned time. The
	// default of 10 µs leaves the processors to what is measured; 100 µs is exact
	// where there is one to spare.
	Spin Duration `yaml:"spin" json:"spin,omitempty"`
	// Crash makes Restart open what a killed process would have left.
	Crash bool `yaml:"crash" json:"crash,omitempty"`
	// Room is the size of the file system that Full fills.
	Room Size `yaml:"room" json:"room,omitempty"`
	// Options are handed to the target.
	Options map[string]string `yaml:"options" json:"options,omitempty"`
}

// Bounds of what a scenario may ask for: nothing below is a limit of Millrace,
// all of it protects the machine that runs the harness.
const (
	shardsMax    = 65536
	producersMax = 65536
	durationMax  = 24 * time.Hour
	spinMax      = 10 * time.Millisecond
)

// stampBytes is what the harness keeps in each record: the planned time of
// sending and the number of the record.
const stampBytes = 16

// Shards is how many ordered sequences there are.
func (s *Scenario) Shards() int { return s.Topics * s.PartitionsPerTopic }

// Producers is how many goroutines append.
func (s *Scenario) Producers() int { return s.Topics * s.ProducersPerTopic }

// complete fills in what was left out.
func (s *Scenario) complete() {
	if s.Kind == "" {
		s.Kind = Traffic
	}
	if s.Target == "" {
		s.Target = "wal"
	}
	for _, count := range []*int{&s.Topics, &s.PartitionsPerTopic, &s.BatchSize} {
		*count = max(*count, 1)
	}
	if s.MessageSize == 0 {
		s.MessageSize = 1024
	}
	if s.InFlight == 0 {
		s.InFlight = 4096
	}
	if s.CatchUpPasses == 0 {
		s.CatchUpPasses = 2
	}
	if s.Backlog == 0 && s.ConsumerBacklogSizeGB > 0 {
		s.Backlog = Size(s.ConsumerBacklogSizeGB * 1e9)
	}
	if s.Durability == "" {
		s.Durability = target.Group
	}
	if s.TestDuration == 0 {
		s.TestDuration = Duration(10 * time.Second)
	}
	if s.Kind == Full && s.Room == 0 {
		s.Room = 64 << 20
	}
}

// Check returns what is wrong with the scenario, all of it.
func (s *Scenario) Check() error {
	var wrong []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			wrong = append(wrong, fmt.Errorf("scenario %s: "+format, append([]any{s.Name}, args...)...))
		}
	}
	refuse(s.Name == "", "it has no name")
	switch s.Kind {
	case Traffic, Restart, Full, Idle:
	default:
		refuse(true, "kind %q is none of traffic, restart, full, idle", s.Kind)
	}
	switch s.Durability {
	case target.Group, target.Interval, target.None:
	default:
		refuse(true, "durability %q is none of group, interval, none", s.Durability)
	}
	refuse(s.Topics < 1 || s.PartitionsPerTopic < 1 || s.Topics > shardsMax || s.PartitionsPerTopic > shardsMax || s.Shards() > shardsMax,
		"topics times partitionsPerTopic must be 1 to %d", shardsMax)
	refuse(s.MessageSize < stampBytes || s.MessageSize > 10<<20, "messageSize %s is not within %d B and 10 MiB", s.MessageSize, stampBytes)
	refuse(s.BatchSize < 1 || int64(s.BatchSize)*int64(s.MessageSize) > 15<<20, "a batch of %d records of %s is not within 1 record and 15 MiB", s.BatchSize, s.MessageSize)
	refuse(s.ProducersPerTopic < 0 || s.Producers() > producersMax, "producers must be 0 to %d", producersMax)
	refuse(s.ProducerRate < 0 || s.ProducerRate > 1e9, "producerRate %g is not within 0 and 1e9", s.ProducerRate)
	refuse(s.Asynchronous && s.BatchSize > 1, "an asynchronous producer takes records one by one: leave batchSize out")
	refuse(s.Prepared && (s.Asynchronous || s.SubscriptionsPerTopic > 0 || s.Kind != Traffic), "prepared records can be neither sent asynchronously nor followed, and only kind traffic has them")
	refuse(s.InFlight < 1 || s.InFlight > 1<<20, "inFlight %d is not within 1 and %d", s.InFlight, 1<<20)
	refuse(s.SubscriptionsPerTopic < 0 || s.SubscriptionsPerTopic > 64, "subscriptionsPerTopic %d is not within 0 and 64", s.SubscriptionsPerTopic)
	refuse(s.CatchUpReaders < 0 || s.CatchUpReaders > 1024, "catchUpReaders %d is not within 0 and 1024", s.CatchUpReaders)
	refuse(s.LookupReaders < 0 || s.LookupReaders > 1024, "lookupReaders %d is not within 0 and 1024", s.LookupReaders)
	refuse(s.LookupReaders > 0 && s.Kind != Restart, "lookupReaders need a log that is opened again: kind restart")
	refuse(s.Backlog < 0 || s.Backlog > 1<<40, "backlog %s is not within 0 and 1 TiB", s.Backlog)
	refuse(s.TestDuration <= 0 || time.Duration(s.TestDuration) > durationMax, "testDuration %s is not within 0 and %s", s.TestDuration, durationMax)
	refuse(s.WarmupDuration < 0 || time.Duration(s.WarmupDuration) > durationMax, "warmupDuration %s is not within 0 and %s", s.WarmupDuration, durationMax)
	refuse(s.Spin < 0 || s.Spin > Duration(spinMax), "spin %s is not within 0 and %s", s.Spin, spinMax)
	refuse(s.Kind == Traffic && s.ProducersPerTopic == 0 && s.CatchUpReaders == 0, "nobody writes and nobody reads: set producersPerTopic or catchUpReaders")
	refuse(s.Kind == Traffic && s.CatchUpReaders > 0 && s.Backlog == 0, "catchUpReaders need a backlog")
	refuse(s.Kind == Restart && s.Backlog == 0, "restart needs a backlog")
	return errors.Join(wrong...)
}
