// Package auth says who sent a request: it verifies AWS Signature Version 4 on the
// server's side, in the Authorization header or in a presigned query.
//
// # What a caller does
//
//  1. It knows which operation the request is for, and so its [Rules]: the service
//     that has to stand in the signature, and what else is accepted.
//  2. It calls [Verifier.Begin] before it reads the body. What headers alone can
//     show to be wrong is refused there.
//  3. It reads the body, no more of it than the operation may have, and calls
//     [Check.Body], or [Check.Finish] with the hash. Only then is there an
//     [Identity], and nothing may be done before: most SDKs do not send the hash of
//     the body, it is only in the signature.
//  4. It sends an [Error] as its protocol sends errors, and a Date header with every
//     answer. SDKs read from both how wrong their clock is.
//
// # What is signed
//
// A request is signed in a canonical form, and what that leaves open an attacker may
// change. So whatever a server acts upon has to be in it:
//
//   - host (or :authority, as HTTP/2 calls it), content-type, content-encoding and every x-amz-* header that is present
//     have to be among the signed headers, and may be there only once. In X-Amz-Target
//     the operation itself is a header. x-amz-content-sha256 need not be signed: its
//     value is the last line of the canonical form.
//   - The body is hashed, unless the operation's rules say that it need not be.
//   - A query that cannot be decoded without doubt is refused.
//
// Some freedom is left, because AWS leaves it. The path is signed in its normal form,
// so that /a/../b and /b are one: route by the normal form or refuse the other. The
// query is signed sorted, so that the order of equal names is not. Within the time
// that a signature is good for, a request may be sent again by whoever saw it: only
// TLS helps against that.
//
// # Files
//
//   - verifier.go: options, and what headers alone tell
//   - check.go: the signature and the body
//   - statement.go, claim.go: what a request says of its signature, and what that means
//   - headers.go: which headers have to be signed
//   - canonical.go: the canonical form
//   - key.go: signing keys and their cache
//   - credential.go: access keys
//   - sign.go: the other side, for our own clients
//
// The format is AWS's: "Create a signed AWS API request" in the IAM user guide. The
// texts of errors are those that its services answer with.
package auth
