package requests

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/millrace-io/millrace/kinesis/wire"
)

// Follow implements target.Follower, by a subscription of a consumer of its own. A
// subscription of this API ends after five minutes, which is an error.
func (s *Session) Follow(ctx context.Context, shard int, ready func(), deliver func(record []byte)) error {
	if err := s.check(shard); err != nil {
		return err
	}
	consumer, err := s.register(ctx)
	if err == nil {
		err = s.subscribe(ctx, consumer, s.shards[shard].id, ready, deliver)
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// register makes a consumer and waits until it is active.
func (s *Session) register(ctx context.Context) (arn string, err error) {
	var described struct {
		StreamDescriptionSummary struct {
			ARN string `json:"StreamARN"`
		}
	}
	if err := s.call(ctx, "DescribeStreamSummary", object{"StreamName": s.pool.stream}, &described); err != nil {
		return "", err
	}
	type consumer struct {
		ARN    string `json:"ConsumerARN"`
		Status string `json:"ConsumerStatus"`
	}
	var registered struct{ Consumer consumer }
	err = s.call(ctx, "RegisterStreamConsumer", object{
		"StreamARN":    described.StreamDescriptionSummary.ARN,
		"ConsumerName": fmt.Sprintf("bench-%d-%d", time.Now().UnixNano(), s.consumers.Add(1)),
	}, &registered)
	if err != nil {
		return "", err
	}
	arn = registered.Consumer.ARN
	return arn, await(ctx, "the consumer", func(ctx context.Context) (string, error) {
		var answer struct {
			ConsumerDescription consumer
		}
		err := s.call(ctx, "DescribeStreamConsumer", object{"ConsumerARN": arn}, &answer)
		return answer.ConsumerDescription.Status, err
	})
}

// subscribe delivers what a subscription pushes.
func (s *Session) subscribe(ctx context.Context, consumer, shard string, ready func(), deliver func([]byte)) error {
	c, err := s.pool.get(ctx)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	defer context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })()
	w := new(wire.JSONWriter)
	w.Object()
	w.Key("ConsumerARN")
	w.Text(consumer)
	w.Key("ShardId")
	w.Text(shard)
	w.Key("StartingPosition")
	w.Object()
	w.Key("Type")
	w.Text("LATEST")
	w.EndObject()
	w.EndObject()
	answer, err := c.send(s.request(jsonEncoding.media, "SubscribeToShard", w.Bytes())) //nolint:bodyclose // it ends with the connection
	if err != nil {
		return wrapped("SubscribeToShard", err)
	}
	if answer.StatusCode != http.StatusOK {
		const bodyMax = 512
		text, _ := io.ReadAll(io.LimitReader(answer.Body, bodyMax))
		return &StatusError{Operation: "SubscribeToShard", Status: answer.StatusCode, Body: string(text)}
	}
	return receive(&events{source: answer.Body}, ready, deliver)
}

// receive delivers the records of events.
func receive(from *events, ready func(), deliver func([]byte)) error {
	reader := wire.NewJSONReader(nil)
	var data []byte
	for {
		kind, payload, err := from.next()
		if errors.Is(err, io.EOF) {
			err = errors.New("requests: the server has ended the subscription")
		}
		if err != nil {
			return err
		}
		switch kind {
		case "initial-response":
			ready()
		case "SubscribeToShardEvent":
			reader.Reset(payload)
			if _, data, err = readBlock(reader, data, deliver); err != nil {
				return wrapped("SubscribeToShard", err)
			}
		}
	}
}
