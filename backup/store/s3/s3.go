// Package s3 keeps backups in a bucket of an S3-compatible object store.
package s3

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/millrace-io/millrace/backup/store"
	"github.com/millrace-io/millrace/failure"
)

// objectBytesMax is what one PutObject takes. A segment is at most 256 MiB unless
// a server was told otherwise.
const objectBytesMax = 5 << 30

// Options say which store.
type Options struct {
	// Bucket is the bucket, which must exist. Required.
	Bucket string
	// Prefix is put before every name, with a slash between. Default: none.
	Prefix string
	// Endpoint is the address of a store that is not AWS, such as
	// http://127.0.0.1:7070; buckets are then addressed by path.
	Endpoint string
	// Region of the bucket. Default: that of the environment, or us-east-1.
	Region string
	// AccessKey and SecretKey are credentials. Default: the chain of the AWS SDK,
	// that is environment variables, shared files, and the machine's role.
	AccessKey, SecretKey string
}

// Store is a bucket, or what is under a prefix of one. It is a store.Store.
type Store struct {
	client         *s3.Client
	bucket, prefix string
}

// Open returns the store. Only the environment is looked at: whether the bucket
// can be reached shows when it is used.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Bucket == "" {
		return nil, failure.New(failure.InvalidArgument, "backup store", "the bucket is missing")
	}
	var options []func(*config.LoadOptions) error
	if o.Region != "" {
		options = append(options, config.WithRegion(o.Region))
	} else {
		options = append(options, config.WithDefaultRegion("us-east-1"))
	}
	if o.AccessKey != "" {
		options = append(options, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(o.AccessKey, o.SecretKey, "")))
	}
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, failure.Wrap(failure.InvalidArgument, "backup store: AWS configuration", err)
	}
	client := s3.NewFromConfig(loaded, func(c *s3.Options) {
		if o.Endpoint != "" {
			c.BaseEndpoint = aws.String(o.Endpoint)
			c.UsePathStyle = true
		}
		// The digests are ours; checksums that only some stores know are not sent.
		c.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		c.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	})
	prefix := strings.Trim(o.Prefix, "/")
	if prefix != "" {
		prefix += "/"
	}
	return &Store{client, o.Bucket, prefix}, nil
}

// Put implements store.Store. The store itself checks the digest. The SDK
// repeats what failed for a reason that passes.
func (s *Store) Put(ctx context.Context, name string, content io.ReadSeeker, size int64, digest store.Digest) error {
	if size > objectBytesMax {
		return failure.New(failure.TooLarge, "backup store", "%s has %d bytes, and one object takes %d: use a directory, or smaller segments", name, size, int64(objectBytesMax))
	}
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: aws.String(s.prefix + name), Body: content, ContentLength: &size,
		ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
		ChecksumSHA256:    aws.String(base64.StdEncoding.EncodeToString(digest[:])),
	})
	return s.explain("put", name, err)
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + name)})
	if err != nil {
		return nil, s.explain("get", name, err)
	}
	return out.Body, nil
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: aws.String(s.prefix + prefix)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(store.Entry{}, s.explain("list", prefix, err))
				return
			}
			for _, object := range page.Contents {
				name := strings.TrimPrefix(aws.ToString(object.Key), s.prefix)
				if !yield(store.Entry{Name: name, Bytes: aws.ToInt64(object.Size)}, nil) {
					return
				}
			}
		}
	}
}

// kindOf maps what a store answered. The status is more alike between stores than
// the code is.
func kindOf(answer smithy.APIError, status int) failure.Kind {
	switch code := answer.ErrorCode(); {
	case code == "BadDigest", code == "XAmzContentSHA256Mismatch", code == "XAmzContentChecksumMismatch":
		return failure.Corrupt
	case status == http.StatusNotFound:
		return failure.NotFound
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return failure.InvalidArgument // the credentials
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return failure.Throttled
	default:
		return failure.Internal
	}
}

// explain gives an error of the SDK a kind and a place.
func (s *Store) explain(verb, name string, err error) error {
	var answer smithy.APIError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("backup store: %s %s: %w", verb, name, err)
	case errors.As(err, &answer):
		var response *smithyhttp.ResponseError
		status := 0
		if errors.As(err, &response) {
			status = response.HTTPStatusCode()
		}
		return failure.Wrap(kindOf(answer, status), fmt.Sprintf("backup store: %s %s in bucket %s", verb, name, s.bucket), answer)
	default:
		return failure.Wrap(failure.Unavailable, fmt.Sprintf("backup store: %s %s in bucket %s", verb, name, s.bucket), err)
	}
}
