package client

import (
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/record/kpl"
)

// WithAggregation puts small records of one shard together into aggregated
// records as the Kinesis Producer Library makes them, which its consumers, and
// package kpl, take apart again. The records of one aggregate are one to the
// server, so that they share a position: the results of all of them have the
// same sequence number. Records without company that they fit with are sent as
// they are.
//
// A reader sees the aggregates: [Client.Records] does not look inside. They take
// as much memory again while they are under way.
func WithAggregation(options kpl.Options) ProducerOption {
	return func(o *producerOptions) { o.aggregation = &options }
}

// aggregates is what a batch sends in place of its records.
type aggregates struct {
	records []record.Record
	// places has, for each record of the batch, which of these it is in.
	places []int
}

// aggregate puts the records of a batch together, once, before the batch is
// numbered. The records stay, for they may have to go to different shards yet.
// The caller is the sender.
func (p *Producer) aggregate(b *batch) {
	if p.aggregator == nil || len(b.records) < 2 {
		return
	}
	for i := range b.records {
		if !p.aggregator.Add(b.records[i]) {
			b.aggregates.records = append(b.aggregates.records, p.aggregator.Finish())
			p.aggregator.Add(b.records[i]) // one alone always fits
		}
		b.aggregates.places = append(b.aggregates.places, len(b.aggregates.records))
	}
	b.aggregates.records = append(b.aggregates.records, p.aggregator.Finish())
	// Hash keys are longer in decimal, so that a batch can grow.
	if protocol.BatchSize(b.aggregates.records) > p.batchBytesMax {
		b.aggregates.clear()
	}
}

// clear takes the aggregates back.
func (a *aggregates) clear() {
	clear(a.records)
	a.records, a.places = a.records[:0], a.places[:0]
}

// stored returns the records as the server gets to see them.
func (b *batch) stored() []record.Record {
	if len(b.aggregates.records) > 0 {
		return b.aggregates.records
	}
	return b.records
}

// place returns which of the stored records holds record i.
func (b *batch) place(i int) int {
	if len(b.aggregates.places) > 0 {
		return b.aggregates.places[i]
	}
	return i
}
