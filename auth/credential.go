package auth

import (
	"encoding/base32"
	"encoding/base64"
	"io"

	"github.com/millrace-io/millrace/failure"
)

// Credential is an access key and whose it is.
type Credential struct {
	// AccessKeyID names the key; it is no secret.
	AccessKeyID string
	// Secret is what requests are signed with. The server has to have it as it is:
	// signing keys are derived from it.
	Secret string
	// SessionToken goes with temporary keys: a request then has to carry it. Requests
	// with a key that has none may not carry one.
	SessionToken string
	// Account is the owner's, 12 digits.
	Account string
	// Principal is the ARN of the user that policies are about.
	Principal string
	// Disabled keys are refused as if there were none.
	Disabled bool
}

// String returns the id, so that a printed credential does not show its secret.
func (c Credential) String() string { return "access key " + c.AccessKeyID }

// GoString does the same for %#v.
func (c Credential) GoString() string { return c.String() }

// Lookup returns the credential of an access key id. It is called once for each
// request, also with ids that were made up; it has to be safe for concurrent use.
type Lookup func(accessKeyID string) (Credential, bool)

// Identity is who sent a request, and what else its signature says.
type Identity struct {
	// AccessKeyID, Account and Principal are those of the credential.
	AccessKeyID string
	Account     string
	Principal   string
	// Region and Service are those that the request was signed for.
	Region  string
	Service string
	// Presigned tells that the signature was in the query.
	Presigned bool
	// BodySigned tells that the body is the one that was signed.
	BodySigned bool
}

// anyAccount owns what is done with keys that are not looked at.
const anyAccount = "000000000000"

// accountOf returns the account of a key that nobody knows: a key of 12 digits is its
// own account, so that a test may use many.
func accountOf(accessKeyID string) string {
	if len(accessKeyID) == 12 && containsOnly(accessKeyID, isDigit) {
		return accessKeyID
	}
	return anyAccount
}

// The parts of an access key, in bytes of randomness: 16 characters of base32 behind
// the prefix, and 40 of base64.
const (
	keyPrefix      = "AKIA"
	keyRandom      = 10
	secretRandom   = 30
	accessKeyIDMax = 128
)

// NewAccessKey makes an access key: an id of 20 and a secret of 40 characters, as long
// as AWS's, because clients and configuration files check that. The secret has 240
// bits. The error is that of random.
func NewAccessKey(random io.Reader) (id, secret string, err error) {
	var raw [keyRandom + secretRandom]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return "", "", failure.Wrap(failure.Internal, "auth: new access key", err)
	}
	id = keyPrefix + base32.StdEncoding.EncodeToString(raw[:keyRandom])
	return id, base64.StdEncoding.EncodeToString(raw[keyRandom:]), nil
}

func containsOnly(text string, allowed func(byte) bool) bool {
	for i := range len(text) {
		if !allowed(text[i]) {
			return false
		}
	}
	return true
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

func isLower(b byte) bool { return 'a' <= b && b <= 'z' }
