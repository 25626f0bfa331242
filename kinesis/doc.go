// Package kinesis is the HTTP front for the services that Millrace offers in the shape of
// AWS: it finds the operation that a request asks for, knows who asks, reads and
// checks the input by the service's table, and writes the answer or the error as AWS
// does. What operations mean is said by the packages below it, one a service.
//
//	front, err := kinesis.NewFront(kinesis.Options{Authenticate: verifier}, streams.Service())
//	http.Serve(listener, front)
//
// # The way of a request
//
// In this order, each step with AWS's own error:
//
//	origin          of a page in a browser, where there is one: Options.Origin permits it
//	method          POST; OPTIONS with an Origin is answered for browsers
//	content type    application/x-amz-json-1.1, application/x-amz-cbor-1.1,
//	                application/x-www-form-urlencoded for the query protocol
//	target          X-Amz-Target: PREFIX.Operation
//	signature       all of it that is in the headers, before the body is read
//	body            at most Options.BodyBytesMax, and all bodies at once at most
//	                Options.BodiesBytesMax; its hash must be the signed one
//	document        JSON or CBOR
//	types           SerializationException
//	constraints     ValidationException, which lists every violation
//	permission      one call of Options.Authorize, with action, resource and principal
//	operation
//
// Security before syntax: nothing of a body is looked at before it is known
// who sent it.
//
// # File map
//
//	front.go      ServeHTTP: the steps above
//	call.go       Call: one request, as an operation sees it
//	service.go    Service and its operations
//	error.go      errors as AWS shows them
//	events.go     answers that are a stream of events
//	query.go      the query protocol: forms in, XML out
package kinesis
