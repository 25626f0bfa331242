// Package fb holds the accessors that flatc generates from protocol/batch.fbs and
// protocol/message.fbs.
//
// They bounds-check nothing: package protocol verifies bytes before it lets these
// accessors touch them, and tests use them as the stock reader that Millrace's own
// encoders must agree with.
package fb
