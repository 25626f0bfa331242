package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"sync"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
)

// hashBytes is the size of SHA-256 and of an HMAC made with it.
const hashBytes = sha256.Size

// scope is what a signing key is good for. The secret is part of it, so that a key
// that got another secret does not go on with the old one.
type scope struct {
	accessKeyID, secret   string
	date, region, service string
}

// key derives the signing key. Each step is an HMAC under the result of the last:
//
//	"AWS4" + secret -> date -> region -> service -> "aws4_request"
func (s scope) key() [hashBytes]byte {
	key := authenticate([]byte("AWS4"+s.secret), s.date)
	for _, step := range []string{s.region, s.service, terminator} {
		key = authenticate(key[:], step)
	}
	return key
}

func authenticate(key []byte, message string) (sum [hashBytes]byte) {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(message))
	mac.Sum(sum[:0])
	return sum
}

// cachedKeysMax bounds the cache. A key is good for a day, a region and a service: a
// thousand users of a server fit.
const cachedKeysMax = 4096

// keyCache keeps signing keys that verified a request, so that nobody can fill it who
// has no secret. Safe for concurrent use.
type keyCache struct {
	mu   sync.RWMutex
	keys map[scope][hashBytes]byte // guarded by mu
}

func (c *keyCache) get(s scope) (key [hashBytes]byte, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	key, ok = c.keys[s]
	return key, ok
}

// put adds a key. A full cache loses any other: those of yesterday go that way.
func (c *keyCache) put(s scope, key [hashBytes]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys == nil {
		c.keys = make(map[scope][hashBytes]byte)
	}
	for other := range c.keys {
		if len(c.keys) < cachedKeysMax {
			break
		}
		delete(c.keys, other)
	}
	c.keys[s] = key
}
