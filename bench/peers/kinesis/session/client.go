package session

import (
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

const (
	// attemptsMax is how often a request is made before its error counts, and
	// backoffMax the longest wait between two of them.
	attemptsMax = 8
	backoffMax  = 200 * time.Millisecond
	// bufferBytes is the size of a connection's buffers: requests and answers
	// carry up to megabytes, and the default of 4 KiB costs many system calls.
	bufferBytes = 256 << 10
	// answerMax is how long a server may take to begin its answer.
	answerMax = 30 * time.Second
	// region and key are signed into requests; servers for tests take any.
	region = "us-east-1"
	key    = "millrace"
)

// newClient returns a client that keeps that many connections to endpoint, and
// its connections for closing.
func newClient(endpoint string, connections int) (*kinesis.Client, *http.Transport) {
	transport := &http.Transport{
		MaxIdleConns: connections, MaxIdleConnsPerHost: connections,
		WriteBufferSize: bufferBytes, ReadBufferSize: bufferBytes,
		ResponseHeaderTimeout: answerMax,
		// Random records do not become smaller.
		DisableCompression: true,
	}
	client := kinesis.New(kinesis.Options{
		BaseEndpoint: aws.String(endpoint),
		Region:       region,
		Credentials:  credentials.NewStaticCredentialsProvider(key, key, ""),
		HTTPClient:   &turnClient{http.Client{Transport: transport}},
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff = attemptsMax, backoffMax
			// The SDK's own bucket of retries would turn throttling into errors
			// for the rest of a measurement.
			o.RateLimiter = ratelimit.None
		}),
	})
	return client, transport
}
