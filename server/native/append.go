package native

import (
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/shard"
	"github.com/millrace-io/millrace/wal"
)

// reply is the answer to an append, due when pending is safe, or its error.
type reply struct {
	request uint32
	// safer means that more was asked for than the log promises, so that
	// Acknowledged does not tell when it is reached.
	safer   bool
	shard   *shard.Shard
	pending wal.Pending
	err     error
	arrived time.Duration // since the server's base
}

// append stages one batch and queues its answer. Errors that it returns end the
// connection.
func (c *connection) append(message protocol.Message) error {
	arrived := time.Since(c.server.base)
	var request protocol.Append
	if err := request.Parse(message); err != nil {
		return c.violation(message.Request, err)
	}
	if protocol.Checksum(0, message.Body) != request.CRC {
		return c.violation(message.Request, failure.New(failure.Malformed, "native: append", "the batch does not match its checksum"))
	}
	count := int(request.Count)
	if err := protocol.VerifyBatch(message.Body, count); err != nil {
		return c.violation(message.Request, err)
	}
	c.server.stats.inBytes.Add(uint64(len(message.Body)))
	answer := reply{request: message.Request, arrived: arrived}
	answer.err = c.stage(request, message.Body, &answer)
	return c.enqueue(answer)
}

// stage hands the batch to its shard.
func (c *connection) stage(request protocol.Append, body []byte, answer *reply) error {
	to, err := c.server.store.StreamByID(request.StreamID)
	if err != nil {
		return err
	}
	if answer.shard, err = to.Shard(request.Shard); err != nil {
		return err
	}
	promised := to.Durability()
	durability := request.Durability.Resolve(promised)
	answer.safer = durability != promised
	producer := protocol.OpenBatch(body).Producer()
	answer.pending, err = answer.shard.Stage(c.ctx, body, int(request.Count), producer, durability)
	return err
}

// violation answers a request that breaks the protocol, in its place among the
// appends, and returns the error that ends the connection.
func (c *connection) violation(request uint32, err error) error {
	if full := c.enqueue(reply{request: request, err: err}); full != nil {
		return full
	}
	return err
}

// enqueue puts an answer into the queue, waiting while that is full.
func (c *connection) enqueue(answer reply) error {
	select {
	case c.queue <- answer:
		return nil
	default:
	}
	select {
	case c.queue <- answer:
		return nil
	case <-c.ctx.Done():
		return failure.Wrap(failure.Disconnected, "native: queue", c.ctx.Err())
	}
}

// acknowledgementBytes is how much is gathered into one write.
const acknowledgementBytes = 32 << 10

// writeReplies answers the appends in order. Answers that are due together leave
// together: it writes when the next one would have to be waited for.
func (c *connection) writeReplies() {
	out := make([]byte, 0, acknowledgementBytes+512)
	for answer := range c.queue {
		if answer.err == nil {
			if len(out) > 0 && (answer.safer || !answer.shard.Acknowledged(answer.pending)) {
				out = c.flush(out)
			}
			answer.err = answer.shard.Wait(c.ctx, answer.pending)
		}
		out = c.encode(out, answer)
		if len(c.queue) == 0 || len(out) >= acknowledgementBytes {
			out = c.flush(out)
		}
	}
	c.flush(out)
}

// flush writes out and returns it empty. When the connection is over the rest of
// the queue is only waited for.
func (c *connection) flush(out []byte) []byte {
	if len(out) > 0 && c.ctx.Err() == nil {
		_ = c.write(out) // an error has ended the connection
	}
	return out[:0]
}

// encode appends the answer to out.
func (c *connection) encode(out []byte, answer reply) []byte {
	if answer.err != nil {
		c.server.stats.failures.Add(1)
		return protocol.ErrorOf(answer.err).AppendTo(out, answer.request)
	}
	c.server.stats.appends.Add(1)
	c.server.stats.latency.Add(time.Since(c.server.base) - answer.arrived)
	placed := answer.pending.Range
	return protocol.Ack{First: placed.First, Last: placed.Last, Time: placed.Time}.AppendTo(out, answer.request)
}
