package auth_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/millrace-io/millrace/auth"
)

// A handler checks the headers, reads the body and only then knows who sent it.
func ExampleVerifier() {
	key := auth.Credential{AccessKeyID: "AKIAEXAMPLE", Secret: "secret", Account: "111122223333"}
	verifier, err := auth.New(auth.Options{Lookup: func(id string) (auth.Credential, bool) { return key, id == key.AccessKeyID }})
	if err != nil {
		fmt.Println(err)
		return
	}
	authenticate := func(r *http.Request) (auth.Identity, error) {
		check, err := verifier.Begin(r, auth.Rules{Services: []string{"kinesis"}})
		if err != nil {
			return auth.Identity{}, err
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, 10<<20))
		if err != nil {
			return auth.Identity{}, err
		}
		return check.Body(body)
	}

	r := httptest.NewRequest(http.MethodPost, "http://localhost:4567/", strings.NewReader("{}"))
	r.Header.Set("X-Amz-Target", "Kinesis_20131202.ListStreams")
	auth.Sign(r, []byte("{}"), key, "us-east-1", "kinesis", time.Now())
	identity, err := authenticate(r)
	fmt.Println(identity.Account, identity.Region, err)

	r.Header.Set("X-Amz-Target", "Kinesis_20131202.DeleteStream")
	_, err = authenticate(r)
	var refused *auth.Error
	fmt.Println(errors.As(err, &refused) && refused.Code == auth.InvalidSignature)
	// Output:
	// 111122223333 us-east-1 <nil>
	// true
}
