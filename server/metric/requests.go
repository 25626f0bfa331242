package metric

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace-io/millrace/internal/histogram"
)

// classes are the first digits of the status codes that answers have, and what they are called.
var classes = [...]string{2: "2xx", 4: "4xx", 5: "5xx"}

// otherOperation stands for operations that were not named at the start: a client must not be
// able to make series.
const otherOperation = "other"

// Requests counts the requests of the API of AWS. It may be used concurrently; counting allocates
// nothing and takes no lock.
type Requests struct {
	operations map[string]*operation // does not change
	names      []string              // its keys, in order
}

// operation is the counters of one.
type operation struct {
	codes   [len(classes)]atomic.Uint64
	in, out atomic.Uint64
	took    histogram.Histogram
}

// NewRequests returns counters for these operations.
func NewRequests(operations ...string) *Requests {
	r := &Requests{operations: make(map[string]*operation, len(operations)+1)}
	for _, name := range append([]string{otherOperation}, operations...) {
		if r.operations[name] == nil {
			r.operations[name] = new(operation)
			r.names = append(r.names, name)
		}
	}
	return r
}

// Request is one that was answered.
type Request struct {
	Operation string
	// Status is the HTTP status of the answer.
	Status int
	Took   time.Duration
	// RequestBytes and AnswerBytes are the sizes of the bodies.
	RequestBytes, AnswerBytes int64
}

// Count counts a request.
func (r *Requests) Count(q Request) {
	o := r.operations[q.Operation]
	if o == nil {
		o = r.operations[otherOperation]
	}
	class := q.Status / 100
	if class < 0 || class >= len(classes) || classes[class] == "" {
		class = 5
	}
	o.codes[class].Add(1)
	o.in.Add(uint64(max(q.RequestBytes, 0)))
	o.out.Add(uint64(max(q.AnswerBytes, 0)))
	o.took.Add(q.Took)
}

// The metrics of requests have a label for the operation; requestsTotal has one for the
// class of the code as well.
var (
	requestsTotal  = Metric{"millrace_http_requests_total", Counter, "Requests of the API of AWS that named an operation, by the class of their status code: 2xx, 4xx, 5xx."}
	requestSeconds = Metric{"millrace_http_request_seconds", Histogram, "From the header of a request having been read to its answer: for SubscribeToShard as long as the subscription lasted."}
	requestBytes   = Metric{"millrace_http_incoming_bytes_total", Counter, "Bytes of the bodies of requests."}
	answerBytes    = Metric{"millrace_http_outgoing_bytes_total", Counter, "Bytes of the bodies of answers."}
)

var requestMetrics = []Metric{requestsTotal, requestSeconds, requestBytes, answerBytes}

// collectRequests sends what was counted. An operation that nobody asked for has no series.
func (c *Collector) collectRequests(metrics chan<- prometheus.Metric, r *Requests) {
	for _, name := range r.names {
		o := r.operations[name]
		took := o.took.Snapshot()
		if took.Count == 0 {
			continue
		}
		for class, text := range classes {
			if text != "" {
				metrics <- c.number(requestsTotal, float64(o.codes[class].Load()), name, text)
			}
		}
		metrics <- c.number(requestBytes, float64(o.in.Load()), name)
		metrics <- c.number(answerBytes, float64(o.out.Load()), name)
		metrics <- c.latency(requestSeconds, &took, name)
	}
}

// latency makes a sample of a histogram.
func (c *Collector) latency(m Metric, s *histogram.Snapshot, labels ...string) prometheus.Metric {
	counts := make(map[float64]uint64, len(s.Bounds))
	for i, bound := range s.Bounds {
		counts[bound] = s.Counts[i]
	}
	return prometheus.MustNewConstHistogram(c.described[m.Name], s.Count, s.Total.Seconds(), counts, labels...)
}
