// Package failure is the one home of the error kinds that the storage engine,
// the native protocol and the client share.
//
// A [Kind] is itself an error, so the question "what went wrong" is asked the
// same way whether the engine is embedded or at the far end of a connection:
//
//	if errors.Is(err, failure.Throttled) { ... }
//
// An [Error] adds the place: the operation, the stream and shard concerned, a
// sentence for people, the server's advice on when to try again, and the error
// underneath. Kinds travel over the wire as numbers; their values are frozen.
package failure
