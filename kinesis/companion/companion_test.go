package companion_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"go.uber.org/goleak"

	"github.com/millrace-io/millrace/kinesis"
	"github.com/millrace-io/millrace/kinesis/companion"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newServer(t *testing.T, who kinesis.Identity) *httptest.Server {
	t.Helper()
	front, err := kinesis.NewFront(kinesis.Options{Anonymous: who})
	if err != nil {
		t.Fatal(err)
	}
	companion.Register(front)
	server := httptest.NewServer(front)
	t.Cleanup(server.Close)
	return server
}

// TestCallerIdentity: AWS's SDK is told who asks.
func TestCallerIdentity(t *testing.T) {
	for _, c := range []struct {
		who  kinesis.Identity
		user string
	}{
		{kinesis.Identity{Account: "123456789012", Principal: "arn:aws:iam::123456789012:user/a&b", AccessKey: "AKIA1"}, "AKIA1"},
		{kinesis.Identity{Account: "123456789012", Principal: "arn:aws:iam::123456789012:root"}, "123456789012"},
	} {
		server := newServer(t, c.who)
		client := sts.New(sts.Options{
			Region: "eu-west-1", BaseEndpoint: &server.URL, HTTPClient: server.Client(), Retryer: aws.NopRetryer{},
			Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
		})
		got, err := client.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		if err != nil {
			t.Fatal(err)
		}
		if *got.Account != c.who.Account || *got.Arn != c.who.Principal || *got.UserId != c.user {
			t.Errorf("%+v is told %s, %s, %s", c.who, *got.Account, *got.Arn, *got.UserId)
		}
	}
}

// TestMetrics: metrics are taken.
func TestMetrics(t *testing.T) {
	server := newServer(t, kinesis.Identity{})
	got, err := server.Client().Post(server.URL, "application/x-www-form-urlencoded", strings.NewReader("Action=PutMetricData&Version=2010-08-01&Namespace=n"))
	if err != nil {
		t.Fatal(err)
	}
	got.Body.Close()
	if got.StatusCode != http.StatusOK {
		t.Errorf("status %d", got.StatusCode)
	}
}
