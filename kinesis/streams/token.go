package streams

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/kinesis"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/stream"
)

// tokenLife is how long iterators and next tokens are good for.
const tokenLife = 300 * time.Second

// tokenKind says what a token is for. The numbers are frozen.
type tokenKind byte

const (
	tokenIterator  tokenKind = 1
	tokenShards    tokenKind = 2
	tokenStreams   tokenKind = 3
	tokenConsumers tokenKind = 4
	tokenChannels  tokenKind = 5
)

// token is a position that a client carries for us.
type token struct {
	kind   tokenKind
	issued int64 // Unix milliseconds
	stream uint64
	shard  record.ShardID
	// next is the record to be read next; 0 is the oldest there is.
	next uint64
	// after is the name or number that a list goes on after, and filter what it was
	// asked for.
	after  string
	filter string
}

// sealer makes tokens unreadable and unforgeable. Its keys are a document of the store.
//
//	 0  8  00 00 00 00 00 00 00 01, as AWS's have
//	 8 12  nonce: the first bytes of an HMAC of what is sealed, so that no two
//	       different ones ever share it, whatever the clock and the process do
//	20  n  AES-256-GCM of the token
//
// in base64. What is sealed:
//
//	 0  1  kind
//	 1  8  issued, big-endian as all that follows
//	 9  8  stream
//	17  4  shard
//	21  8  next
//	29  2  length of after, then after, then filter
type sealer struct {
	aead cipher.AEAD
	mac  []byte
}

const (
	sealKey      = "kinesis/token-key"
	sealKeyBytes = 64
	sealVersion  = 1
	sealHead     = 8 + 12
	tokenHead    = 31
	tokenTextMax = 16 << 10
)

// newSealer returns the sealer of a store, which has the same keys for ever.
func newSealer(store *stream.Store) (*sealer, error) {
	keys, found, err := store.Documents().Get(sealKey)
	if err != nil {
		return nil, err
	}
	if !found {
		keys = make([]byte, sealKeyBytes)
		_, _ = rand.Read(keys) // it never fails
		if err := store.Documents().Put(sealKey, keys); err != nil {
			return nil, err
		}
	}
	if len(keys) != sealKeyBytes {
		return nil, failure.New(failure.Corrupt, "streams: token keys", "%d bytes instead of %d", len(keys), sealKeyBytes)
	}
	block, err := aes.NewCipher(keys[:32])
	if err != nil {
		return nil, failure.Wrap(failure.Internal, "streams: token keys", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, failure.Wrap(failure.Internal, "streams: token keys", err)
	}
	return &sealer{aead, keys[32:]}, nil
}

// seal appends the token's text to dst.
func (s *sealer) seal(dst []byte, t token) []byte {
	var space [tokenHead + 256]byte
	plain := append(space[:0], byte(t.kind))
	plain = binary.BigEndian.AppendUint64(plain, uint64(t.issued))
	plain = binary.BigEndian.AppendUint64(plain, t.stream)
	plain = binary.BigEndian.AppendUint32(plain, uint32(t.shard))
	plain = binary.BigEndian.AppendUint64(plain, t.next)
	plain = binary.BigEndian.AppendUint16(plain, uint16(len(t.after)))
	plain = append(append(plain, t.after...), t.filter...)

	mac := hmac.New(sha256.New, s.mac)
	mac.Write(plain)
	var sum [sha256.Size]byte
	nonce := mac.Sum(sum[:0])[:12]
	var sealedSpace [sealHead + tokenHead + 256 + 16]byte
	sealed := append(sealedSpace[:0], 0, 0, 0, 0, 0, 0, 0, sealVersion)
	sealed = append(sealed, nonce...)
	sealed = s.aead.Seal(sealed, nonce, plain, nil)
	return base64.StdEncoding.AppendEncode(dst, sealed)
}

// open reads a token of that kind. One that was pasted with its quotes is taken, as AWS
// does.
func (s *sealer) open(text string, kind tokenKind) (token, bool) {
	text = strings.Trim(text, `"`)
	if len(text) > tokenTextMax {
		return token{}, false
	}
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(sealed) < sealHead || binary.BigEndian.Uint64(sealed) != sealVersion {
		return token{}, false
	}
	plain, err := s.aead.Open(sealed[:0:0], sealed[8:sealHead], sealed[sealHead:], nil)
	if err != nil || len(plain) < tokenHead || tokenKind(plain[0]) != kind {
		return token{}, false
	}
	t := token{
		kind:   kind,
		issued: int64(binary.BigEndian.Uint64(plain[1:])),
		stream: binary.BigEndian.Uint64(plain[9:]),
		shard:  record.ShardID(binary.BigEndian.Uint32(plain[17:])),
		next:   binary.BigEndian.Uint64(plain[21:]),
	}
	rest, after := plain[tokenHead:], int(binary.BigEndian.Uint16(plain[29:]))
	if after > len(rest) {
		return token{}, false
	}
	t.after, t.filter = string(rest[:after]), string(rest[after:])
	return t, true
}

// expired reports whether the token is too old.
func (t token) expired(now time.Time) bool {
	return now.UnixMilli()-t.issued > tokenLife.Milliseconds()
}

// nextToken returns the text of a token for a list that goes on.
func (a *API) nextToken(t token) string {
	t.issued = a.options.Clock.Now().UnixMilli()
	return string(a.sealer.seal(nil, t))
}

// openNext reads a next token. It must be young enough.
func (a *API) openNext(text string, kind tokenKind) (token, error) {
	t, ok := a.sealer.open(text, kind)
	if !ok {
		return t, invalidArgument("NextToken is invalid.")
	}
	if t.expired(a.options.Clock.Now()) {
		return t, kinesis.Errorf("ExpiredNextTokenException", "The NextToken was issued more than %d seconds ago.", int(tokenLife.Seconds()))
	}
	return t, nil
}
