package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"runtime"
)

// cover is what the signature says of the body.
type cover uint8

const (
	coversUntold  cover = iota // its hash, which only the signature holds
	coversNamed                // its hash, which the request names
	coversNothing              // nothing
)

const (
	unsignedPayload = "UNSIGNED-PAYLOAD"
	emptyHash       = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// readPayload returns what the last line of the canonical form is, if the headers tell
// it. Bodies in signed chunks are refused: nobody here takes them apart.
func readPayload(r *http.Request, rules Rules) (cover, string, error) {
	values := r.Header["X-Amz-Content-Sha256"]
	switch {
	case len(values) == 0 && rules.EmptyHash:
		return coversNothing, emptyHash, nil
	case len(values) == 0:
		return coversUntold, "", nil
	case values[0] == emptyHash && rules.EmptyHash, values[0] == unsignedPayload && rules.UnsignedBody:
		return coversNothing, values[0], nil
	case len(values[0]) != len(emptyHash) || !containsOnly(values[0], isHex):
		return 0, "", refuse(InvalidSignature, "This operation does not accept '%s' for the hash of its body.", quoted(values[0]))
	}
	return coversNamed, values[0], nil
}

// Check is a request between its headers and its body. It is used once, by one
// goroutine.
type Check struct {
	verifier *Verifier
	claim    claim
	cover    cover
	payload  string // the last line of the canonical form; empty if only the body tells
	// known tells whether there is such a credential: if not, that is found out after
	// as much work as a wrong signature takes.
	known      bool
	credential Credential
	// canonical is the canonical form without its last line, for the host that was
	// received and for each that it may have been.
	canonical [][]byte
	identity  Identity
}

// begin looks the credential up and checks the signature if that is possible.
func (c *Check) begin(r *http.Request) error {
	credential, known := c.verifier.options.Lookup(c.claim.accessKeyID)
	sameToken := subtle.ConstantTimeCompare([]byte(credential.SessionToken), []byte(c.claim.token)) == 1
	if c.known = known && !credential.Disabled && credential.Secret != "" && sameToken; !c.known {
		credential = c.verifier.nobody
	}
	c.credential = credential
	for i := range 1 + len(c.verifier.options.Hosts) {
		host := r.Host
		if i > 0 {
			host = c.verifier.options.Hosts[i-1]
		}
		form, complete := appendCanonical(nil, r, host, c.claim.query, c.claim.signed)
		if !complete {
			return mismatch() // something that was signed got lost
		}
		c.canonical = append(c.canonical, form)
	}
	c.identity = Identity{
		AccessKeyID: c.claim.accessKeyID,
		Account:     credential.Account,
		Principal:   credential.Principal,
		Region:      c.claim.region,
		Service:     c.claim.service,
		Presigned:   c.claim.presigned,
	}
	if c.cover == coversUntold {
		return nil
	}
	return c.verify(c.payload)
}

// Body finishes the check of a request with this body, as it came over the wire. The
// body is hashed only if the signature says something of it.
func (c *Check) Body(body []byte) (Identity, error) {
	if c.cover == coversNothing {
		return c.Unread()
	}
	return c.Finish(sha256.Sum256(body))
}

// Finish finishes the check of a request whose body has this hash, and returns who
// sent it. The error is an [*Error].
func (c *Check) Finish(bodyHash [sha256.Size]byte) (Identity, error) {
	payload := hex.EncodeToString(bodyHash[:])
	switch c.cover {
	case coversUntold:
		if err := c.verify(payload); err != nil {
			return Identity{}, err
		}
	case coversNamed:
		if payload != c.payload {
			return Identity{}, mismatch()
		}
	case coversNothing:
	}
	c.identity.BodySigned = c.cover != coversNothing
	return c.identity, nil
}

// Unread returns who sent a request whose body is still to be read, if the signature
// says nothing of the body: the rules of the operation allow that, or any request is
// believed. For others it is an [*Error].
func (c *Check) Unread() (Identity, error) {
	if c.cover != coversNothing {
		return Identity{}, mismatch()
	}
	return c.identity, nil
}

// verify compares the signature with the right one.
func (c *Check) verify(payload string) error {
	s := scope{c.claim.accessKeyID, c.credential.Secret, c.claim.day, c.claim.region, c.claim.service}
	key, cached := c.verifier.keys.get(s)
	if !cached {
		key = s.key()
	}
	same := false
	for _, form := range c.canonical {
		right := signature(key, &c.claim, form, payload)
		same = hmac.Equal([]byte(right), []byte(c.claim.signature)) || same
	}
	switch {
	case same && c.known:
		if !cached {
			c.verifier.keys.put(s, key)
		}
		return nil
	case cached:
		// A refusal costs a derivation, whether the key is in use, idle or unknown:
		// that it was fast shall not tell which.
		key = s.key()
		runtime.KeepAlive(&key)
	}
	if !c.known {
		return unrecognized()
	}
	return mismatch()
}

// signature signs a canonical form and its last line.
func signature(key [hashBytes]byte, c *claim, form []byte, payload string) string {
	hash := sha256.New()
	hash.Write(form)
	hash.Write([]byte(payload))
	text := algorithm + "\n" + c.stamp + "\n" +
		c.day + "/" + c.region + "/" + c.service + "/" + terminator + "\n" +
		hex.EncodeToString(hash.Sum(nil))
	sum := authenticate(key[:], text)
	return hex.EncodeToString(sum[:])
}

func isHex(b byte) bool { return isDigit(b) || 'a' <= b && b <= 'f' }
