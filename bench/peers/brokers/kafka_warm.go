package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// kafkaWarmTopic is what the server is warmed up with.
	kafkaWarmTopic = "warm-up"
	// kafkaWarmTime is how long: Java compiles what runs often, and a server
	// that has just started takes a fraction of what it takes later.
	kafkaWarmTime = 2 * time.Second
	// kafkaWarmAhead is how many records are under way meanwhile. They are
	// small, because requests are to be many, and the disk is to be left alone.
	kafkaWarmAhead = 64
	kafkaWarmBytes = 64
)

// warm produces and consumes until the time is up, on a topic of its own.
func (s *kafkaSession) warm(ctx context.Context) error {
	if _, err := kadm.NewClient(s.producer).CreateTopic(ctx, 1, 1, nil, kafkaWarmTopic); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	consumer, err := kgo.NewClient(kgo.SeedBrokers(s.address), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
		kafkaWarmTopic: {0: kgo.NewOffset().AtStart()},
	}))
	if err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, kafkaWarmTime)
	defer cancel()
	consumed := make(chan struct{})
	go func() {
		defer close(consumed)
		for ctx.Err() == nil {
			consumer.PollFetches(ctx)
		}
	}()
	err = s.warmByProducing(ctx)
	<-consumed
	consumer.Close()
	return err
}

// warmByProducing produces until ctx ends, and waits for all results.
func (s *kafkaSession) warmByProducing(ctx context.Context) error {
	var failed atomic.Pointer[error]
	slots := make(chan struct{}, kafkaWarmAhead)
	value := make([]byte, kafkaWarmBytes)
	for ctx.Err() == nil && failed.Load() == nil {
		slots <- struct{}{}
		s.producer.Produce(context.WithoutCancel(ctx), &kgo.Record{Topic: kafkaWarmTopic, Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(&err)
			}
			<-slots
		})
	}
	flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), kafkaDeliveryMax)
	defer cancel()
	err := s.producer.Flush(flush)
	if first := failed.Load(); first != nil {
		err = errors.Join(err, *first)
	}
	if err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	return nil
}
