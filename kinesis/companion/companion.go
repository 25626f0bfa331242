package companion

import (
	"context"
	"net/url"

	"github.com/millrace-io/millrace/kinesis"
)

// Register has a front serve the companions.
func Register(f *kinesis.Front) {
	f.HandleQuery(kinesis.QueryAction{
		Service: "sts", Name: "GetCallerIdentity", Version: "2011-06-15",
		Namespace: "https://sts.amazonaws.com/doc/2011-06-15/", Serve: callerIdentity,
	})
	f.HandleQuery(kinesis.QueryAction{
		Service: "monitoring", Name: "PutMetricData", Version: "2010-08-01",
		Namespace: "http://monitoring.amazonaws.com/doc/2010-08-01/", Serve: putMetricData,
	})
}

// identity is the result of GetCallerIdentity.
type identity struct {
	ARN     string `xml:"Arn"`
	UserID  string `xml:"UserId"`
	Account string `xml:"Account"`
}

func callerIdentity(_ context.Context, who kinesis.Identity, _ url.Values) (any, error) {
	user := who.AccessKey
	if user == "" {
		user = who.Account
	}
	return identity{ARN: who.Principal, UserID: user, Account: who.Account}, nil
}

// putMetricData takes metrics and forgets them: Millrace has its own (/metrics), and a client
// that cannot deliver its metrics logs an error every minute.
func putMetricData(context.Context, kinesis.Identity, url.Values) (any, error) { return nil, nil }
