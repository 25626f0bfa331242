package auth

import (
	"crypto/rand"
	"errors"
	"net/http"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/clock"
)

// Options configure a [Verifier].
type Options struct {
	// Lookup finds credentials. Required unless AcceptAny is set.
	Lookup Lookup
	// Clock tells whether a signature is good now; nil means the system's.
	Clock clock.Clock
	// Skew is how far the client's clock may be off, either way: whole minutes, 1 to
	// 15. 0 means 5.
	Skew time.Duration
	// Hosts are names that clients know the server by, if a proxy before it does not
	// pass the Host header on: a signature may be for one of them instead of the host
	// that was received. At most 16, with the port where clients see one.
	Hosts []string
	// AcceptAny believes what requests say: no signature, date or service is looked
	// at. A key id of 12 digits is its own account, other keys are of account
	// 000000000000. For servers on loopback only.
	AcceptAny bool
	// Unsigned is, with AcceptAny, who sends a request that nobody signed. Nil means
	// that such requests are refused.
	Unsigned *Identity
}

const (
	defaultSkew = 5 * time.Minute
	skewMax     = 15 * time.Minute
	hostsMax    = 16
)

// Rules are what one operation accepts. The zero value accepts nothing.
type Rules struct {
	// Services are the names that may be in the credential scope, as "kinesis". An
	// error names the first.
	Services []string
	// Presigned accepts a signature in the query.
	Presigned bool
	// UnsignedBody accepts the payload UNSIGNED-PAYLOAD: the body may be anything.
	UnsignedBody bool
	// EmptyHash accepts the hash of nothing for any body, and takes it for granted
	// when the request names no hash: clients that stream a body sign that way. What
	// such a request brings is not protected by its signature.
	EmptyHash bool
}

// Verifier verifies requests. It is safe for concurrent use.
type Verifier struct {
	options Options
	// nobody signs in place of credentials that do not exist.
	nobody Credential
	keys   keyCache
}

// New returns a verifier. Options that make no sense are failure.InvalidArgument.
func New(options Options) (*Verifier, error) {
	if options.Clock == nil {
		options.Clock = clock.System()
	}
	if options.Skew == 0 {
		options.Skew = defaultSkew
	}
	problem := ""
	switch {
	case options.Lookup == nil && !options.AcceptAny:
		problem = "there is no lookup of access keys"
	case options.Skew < time.Minute || options.Skew > skewMax || options.Skew%time.Minute != 0:
		problem = "the skew has to be whole minutes, 1 to 15"
	case len(options.Hosts) > hostsMax:
		problem = "there are more than 16 hosts"
	case options.Unsigned != nil && !options.AcceptAny:
		problem = "requests that nobody signed need AcceptAny"
	}
	if problem != "" {
		return nil, failure.New(failure.InvalidArgument, "auth: new verifier", "%s", problem)
	}
	id, secret, err := NewAccessKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return &Verifier{options: options, nobody: Credential{AccessKeyID: id, Secret: secret}}, nil
}

// Begin checks what headers alone tell, and the signature if they name the hash of the
// body. It does not touch the body. The error is an [*Error]. What the request is
// changed to later is not checked.
func (v *Verifier) Begin(r *http.Request, rules Rules) (*Check, error) {
	s, err := readStatement(r)
	if v.options.AcceptAny {
		return v.believe(s, err)
	}
	if err != nil {
		return nil, err
	}
	if s.incomplete != nil {
		return nil, s.incomplete
	}
	if s.presigned && !rules.Presigned {
		return nil, refuse(InvalidSignature, "This operation does not accept a signature in the query string.")
	}
	c := &Check{verifier: v, claim: claim{statement: s}}
	if err := c.claim.understand(rules.Services); err != nil {
		return nil, err
	}
	if err := c.claim.checkTime(v.options.Clock.Now(), v.options.Skew); err != nil {
		return nil, err
	}
	if err := checkHeaders(r, c.claim.signed); err != nil {
		return nil, err
	}
	if c.cover, c.payload, err = readPayload(r, rules); err != nil {
		return nil, err
	}
	if err := c.begin(r); err != nil {
		return nil, err
	}
	return c, nil
}

// understand takes the parts of the statement apart.
func (c *claim) understand(services []string) (err error) {
	if err := c.readScope(); err != nil {
		return err
	}
	if err := c.readDate(); err != nil {
		return err
	}
	if c.signed, err = readSignedHeaders(c.signedHeaders); err != nil {
		return err
	}
	return c.checkScope(services)
}

// believe takes a request at its word.
func (v *Verifier) believe(s statement, err error) (*Check, error) {
	var refused *Error
	if errors.As(err, &refused) && refused.Code == MissingAuthenticationToken && v.options.Unsigned != nil {
		return &Check{cover: coversNothing, identity: *v.options.Unsigned}, nil
	}
	if err != nil {
		return nil, err
	}
	c := claim{statement: s}
	if s.credential == "" {
		return nil, s.incomplete
	}
	if err := c.readScope(); err != nil {
		return nil, err
	}
	account := accountOf(c.accessKeyID)
	return &Check{cover: coversNothing, identity: Identity{
		AccessKeyID: c.accessKeyID,
		Account:     account,
		Principal:   "arn:aws:iam::" + account + ":root",
		Region:      c.region,
		Service:     c.service,
		Presigned:   c.presigned,
	}}, nil
}
