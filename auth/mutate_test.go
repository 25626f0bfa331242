package auth_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace-io/millrace/auth"
)

var mutateRules = auth.Rules{Services: []string{"kinesis", "sts"}, Presigned: true}

// temporary is a key with a session token.
var temporary = auth.Credential{AccessKeyID: "ASIATEMPORARY", Secret: "secret", SessionToken: "token", Account: "1"}

// wires are valid requests as bytes.
func wires(t *testing.T) [][]byte {
	t.Helper()
	named := "X-Amz-Content-Sha256: " + sum(putBody)
	w, session := newTwin(), newTwin()
	session.credential = temporary
	dated := request(t, "POST", "/", putBody, "Host: localhost:4567", "Date: Sun, 30 Aug 2015 12:36:00 GMT", "X-Amz-Target: a")
	requests := []*http.Request{
		w.sign(putRecord(t), putBody),
		w.sign(putRecord(t, named), putBody),
		w.sign(dated, putBody),
		w.sign(request(t, "GET", "/a/%41/?b=c&a=%20&b=a", "", "Host: a", "X-Amz-Date: "+exampleStamp), ""),
		session.sign(putRecord(t, "X-Amz-Security-Token: token"), putBody),
		w.presign(request(t, "POST", "/", putBody, "Host: a", "Content-Type: b", "X-Amz-Target: c"), putBody, "60", nil),
		session.presign(request(t, "GET", "/", "", "Host: a"), "", "60", func(q url.Values) { q.Set("X-Amz-Security-Token", "token") }),
	}
	var all [][]byte
	for _, r := range requests {
		body := putBody
		if r.Method == http.MethodGet {
			body = ""
		}
		all = append(all, writeWire(r, body))
	}
	return all
}

// writeWire writes a request as it is, sorted headers and all.
func writeWire(r *http.Request, body string) []byte {
	lines := []string{r.Method + " " + r.RequestURI + " HTTP/1.1", "Host: " + r.Host}
	for name, values := range r.Header {
		for _, value := range values {
			lines = append(lines, name+": "+value)
		}
	}
	sort.Strings(lines[2:])
	return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n" + body)
}

// added are headers that an attacker might wish to add.
var added = []string{
	"X-Amz-Target: Kinesis_20131202.DeleteStream", "Content-Type: application/x-amz-cbor-1.1", "Content-Encoding: gzip",
	"Host: b", "X-Amz-Date: 20150830T123601Z", "X-Amz-Security-Token: token", "x-amz-acl: a", "Authorization: AWS4-HMAC-SHA256",
	"X-Amz-Content-Sha256: UNSIGNED-PAYLOAD", "X-Amz-Content-Sha256: " + sum(""), "X-Amz-Content-Sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER",
	"Content-Length: 0", "Transfer-Encoding: chunked", "X-Forwarded-Host: b", "Date: Sun, 30 Aug 2015 12:37:00 GMT", "X-Http-Method-Override: DELETE",
}

// mutate changes one byte, or one line.
func mutate(g generator, wire []byte) []byte {
	wire = bytes.Clone(wire)
	at := g.IntN(len(wire))
	lines := bytes.SplitAfter(wire, []byte("\r\n"))
	line := g.IntN(len(lines) - 2) // not the body, nor the line before it
	switch g.IntN(9) {
	case 0, 1:
		wire[at] = byte(g.Uint32())
		return wire
	case 2:
		wire[at] ^= 1 << g.IntN(8) // also changes the case of letters
		return wire
	case 3:
		return append(wire[:at:at], wire[at+1:]...)
	case 4:
		return append(wire[:at:at], append([]byte{wire[at]}, wire[at:]...)...)
	case 5:
		return append(wire[:at:at], append([]byte{g.pick(" ", "/", ".", ",", ";", "&", "%", "=", "\t", "a")[0]}, wire[at:]...)...)
	case 6:
		lines[line] = nil
	case 7:
		other := g.IntN(len(lines) - 2)
		lines[line], lines[other] = lines[other], lines[line]
	default:
		lines[line] = append(bytes.Clone(lines[line]), g.pick(added...)+"\r\n"...)
	}
	return bytes.Join(lines, nil)
}

// meaning is all that a server may act upon, and the canonical form as the twin has it.
// Requests that mean the same may both be accepted.
func meaning(r *http.Request, body []byte) string {
	query := r.URL.Query()
	signed := query.Get("X-Amz-SignedHeaders")
	credential := query.Get("X-Amz-Credential")
	if header := r.Header.Get("Authorization"); header != "" {
		_, signed, _ = strings.Cut(header, "SignedHeaders=")
		signed, _, _ = strings.Cut(signed, ",")
		_, credential, _ = strings.Cut(header, "Credential=")
		credential, _, _ = strings.Cut(credential, ",")
	}
	parts := []string{canonicalOf(r, strings.Split(strings.TrimSpace(signed), ";"), sum(string(body))), strings.TrimSpace(credential), r.Host}
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Amz-") && name != "X-Amz-Content-Sha256" || strings.HasPrefix(name, "Content-") && name != "Content-Length" {
			parts = append(parts, name+"="+spaces.ReplaceAllString(r.Header.Get(name), " "))
		}
	}
	sort.Strings(parts[3:])
	return strings.Join(parts, "\n")
}

// judge is what is under test: nil accepts.
type judge func(r *http.Request, body []byte) error

// findHole returns a mutation that is accepted and means something else than what was
// signed, or "", and how many were accepted because they mean the same.
func findHole(t *testing.T, seed uint64, many int, accept judge) (hole string, same int) {
	t.Helper()
	g := generator{rand.New(rand.NewPCG(seed, 0))}
	originals := wires(t)
	var meanings []string
	for i, wire := range originals {
		r, body, err := parse(wire)
		if err != nil {
			t.Fatal(err)
		}
		meanings = append(meanings, meaning(r, body))
		if err := accept(r, body); err != nil {
			t.Fatalf("request %d is not accepted: %v\n%s", i, err, wire)
		}
	}
	for range many {
		i := g.IntN(len(originals))
		mutated := mutate(g, originals[i])
		r, body, err := parse(mutated)
		if err != nil || accept(r, body) != nil {
			continue
		}
		if r, body, _ = parse(mutated); meaning(r, body) != meanings[i] {
			return fmt.Sprintf("%q\nis accepted, as if it were\n%q", mutated, originals[i]), same
		}
		same++
	}
	return "", same
}

// No change of a byte or a line of a valid request is accepted, unless it does not
// matter. MILLRACE_SIGV4_MUTATIONS says how many are tried.
func TestMutations(t *testing.T) {
	many := rounds(100_000)
	if text := os.Getenv("MILLRACE_SIGV4_MUTATIONS"); text != "" {
		var err error
		if many, err = strconv.Atoi(text); err != nil {
			t.Fatalf("MILLRACE_SIGV4_MUTATIONS: %v", err)
		}
	}
	v := verifier(t, example, temporary)
	hole, same := findHole(t, 1, many, func(r *http.Request, body []byte) error {
		_, err := verify(v, r, body, mutateRules)
		return err
	})
	if hole != "" {
		t.Error(hole)
	}
	if same == 0 {
		t.Error("none was accepted: also those that do not matter are refused")
	}
	t.Logf("of %d mutations %d mean the same and are accepted", many, same)
}

// The search finds the holes that others had.
func TestMutationsFindHoles(t *testing.T) {
	v := verifier(t, example, temporary)
	for name, hole := range map[string]judge{
		"the target is not looked at": func(r *http.Request, body []byte) error {
			for _, target := range []string{"Kinesis_20131202.PutRecord", "a", "c"} {
				if r.Header["X-Amz-Target"] = []string{target}; accepts(v, r, body) {
					return nil
				}
			}
			delete(r.Header, "X-Amz-Target")
			_, err := verify(v, r, body, mutateRules)
			return err
		},
		"headers that are not signed are let through": func(r *http.Request, body []byte) error {
			signed := r.Header.Get("Authorization") + r.URL.Query().Get("X-Amz-SignedHeaders")
			for name := range r.Header {
				if !strings.Contains(signed, strings.ToLower(name)) && name != "Authorization" && name != "Date" && name != "X-Amz-Content-Sha256" {
					delete(r.Header, name)
				}
			}
			_, err := verify(v, r, body, mutateRules)
			return err
		},
		"the body is not hashed": func(r *http.Request, body []byte) error {
			if len(body) > 0 {
				body = []byte(putBody)
			}
			_, err := verify(v, r, body, mutateRules)
			return err
		},
		"only the first value of a header is signed": func(r *http.Request, body []byte) error {
			for name, values := range r.Header {
				r.Header[name] = values[len(values)-1:]
			}
			_, err := verify(v, r, body, mutateRules)
			return err
		},
		"the method is not signed": func(r *http.Request, body []byte) error {
			r.Method = http.MethodGet
			if len(body) > 0 {
				r.Method = http.MethodPost
			}
			_, err := verify(v, r, body, mutateRules)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			if found, _ := findHole(t, 1, 20_000, hole); found == "" {
				t.Error("the hole is not found")
			} else {
				t.Log(found)
			}
		})
	}
}

func accepts(v *auth.Verifier, r *http.Request, body []byte) bool {
	_, err := verify(v, r, body, mutateRules)
	return err == nil
}
