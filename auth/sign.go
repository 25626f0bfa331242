package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

// Sign signs a request in its header, for a body that the caller also sends: it sets
// X-Amz-Date, X-Amz-Security-Token if the credential has one, and Authorization. All
// that a [Verifier] wants signed is signed; set those headers before.
func Sign(r *http.Request, body []byte, credential Credential, region, service string, at time.Time) {
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	at = at.UTC()
	c := claim{region: region, service: service, stamp: at.Format(stampForm), day: at.Format(stampForm)[:dayBytes]}
	r.Header.Set("X-Amz-Date", c.stamp)
	if credential.SessionToken != "" {
		r.Header.Set("X-Amz-Security-Token", credential.SessionToken)
	}
	c.signed = toSign(r.Header)
	form, _ := appendCanonical(nil, r, host, r.URL.Query(), c.signed) // all names are taken from what is there
	hash := sha256.Sum256(body)
	payload := hex.EncodeToString(hash[:])
	if named := r.Header.Get(contentHash); named != "" {
		payload = named
	}
	key := scope{credential.AccessKeyID, credential.Secret, c.day, region, service}.key()
	r.Header.Set("Authorization", algorithm+
		" Credential="+strings.Join([]string{credential.AccessKeyID, c.day, region, service, terminator}, "/")+
		", SignedHeaders="+strings.Join(c.signed, ";")+
		", Signature="+signature(key, &c, form, payload))
}
