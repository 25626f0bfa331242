package requests

import (
	"fmt"
)

// head is what goes in front of a document. The date is long ago, and the
// signature is none.
const head = "POST / HTTP/1.1\r\n" +
	"Host: %s\r\n" +
	"User-Agent: millrace-bench\r\n" +
	"Content-Type: %s\r\n" +
	"X-Amz-Target: Kinesis_20131202.%s\r\n" +
	"X-Amz-Date: 20260101T000000Z\r\n" +
	"Authorization: AWS4-HMAC-SHA256 Credential=millrace/20260101/us-east-1/kinesis/aws4_request, " +
	"SignedHeaders=content-type;host;x-amz-date;x-amz-target, " +
	"Signature=0000000000000000000000000000000000000000000000000000000000000000\r\n" +
	"Content-Length: %d\r\n\r\n"

// request returns the bytes of a whole request.
func (s *Session) request(media, operation string, document []byte) []byte {
	b := fmt.Appendf(make([]byte, 0, len(head)+len(document)+256), head, s.pool.address, media, operation, len(document))
	return append(b, document...)
}
