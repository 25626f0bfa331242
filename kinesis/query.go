package kinesis

import (
	"bytes"
	"context"
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/millrace-io/millrace/auth"
)

const mediaForm = "application/x-www-form-urlencoded"

// QueryAction is one operation of AWS's query protocol: a form in, XML out.
type QueryAction struct {
	// Service is what a signature for the action is scoped to: sts.
	Service string
	// Name and Version are the form's Action and Version.
	Name, Version string
	// Namespace is that of the XML.
	Namespace string
	// Serve returns what is marshalled as the content of the result element; nil if
	// there is none. An [*Error] is shown as it is.
	Serve func(ctx context.Context, who Identity, form url.Values) (any, error)
}

// HandleQuery has an action served. It must be called before the front is used.
func (f *Front) HandleQuery(a QueryAction) { f.actions[a.Name+" "+a.Version] = &a }

// queryError is the body of an error.
type queryError struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Namespace string   `xml:"xmlns,attr,omitempty"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

// serveQuery serves a form.
func (f *Front) serveQuery(c *Call, r *http.Request, began time.Time) {
	c.scratch = scratches.Get().(*scratch)
	defer c.scratch.release()
	seen := Observation{Status: http.StatusOK, RequestID: c.RequestID}
	action, result, err := f.query(c, r)
	var body bytes.Buffer
	if err == nil && result != nil {
		err = xml.NewEncoder(&body).EncodeElement(result, xml.StartElement{Name: xml.Name{Local: action.Name + "Result"}})
	}
	if seen.Err = err; err != nil {
		shown := queryErrorOf(err)
		seen.Code, seen.Status = shown.Code, statusOf(shown)
		c.failQuery(action, shown)
	} else {
		c.answerQuery(http.StatusOK, "<"+action.Name+"Response xmlns=\""+action.Namespace+"\">"+body.String()+
			"<ResponseMetadata><RequestId>"+c.RequestID+"</RequestId></ResponseMetadata></"+action.Name+"Response>\n")
	}
	if c.Operation != "" {
		seen.Service = action.Service
		f.observe(c, seen, began)
	}
}

// query takes the steps of a form. The form is looked at only once it is known who sent
// it, so the service that a signature is for is checked against all of them first.
func (f *Front) query(c *Call, r *http.Request) (*QueryAction, any, error) {
	none := new(QueryAction)
	signed, err := f.begin(r, f.queryServices()...)
	if err != nil {
		return none, nil, err
	}
	release, err := f.readBody(c, r)
	if err != nil {
		return none, nil, err
	}
	defer release()
	if c.Identity, err = signed.Finish(c.Body); err != nil {
		return none, nil, err
	}
	form, err := url.ParseQuery(string(c.Body))
	if err != nil {
		return none, nil, Errorf("MalformedQueryString", "The query string contains a syntax error.")
	}
	name, version := form.Get("Action"), form.Get("Version")
	action := f.actions[name+" "+version]
	if action == nil {
		return none, nil, Errorf("InvalidAction", "Could not find operation %.128s for version %.32s", name, version)
	}
	c.Operation = name
	if f.options.Authorize != nil {
		err = f.options.Authorize(r.Context(), Permission{Identity: c.Identity, Action: action.Service + ":" + name, Resource: "*"})
	}
	if err != nil {
		return action, nil, err
	}
	result, err := action.Serve(r.Context(), c.Identity, form)
	return action, result, err
}

// queryServices returns the services of all actions.
func (f *Front) queryServices() []string {
	var services []string
	for _, a := range f.actions {
		services = append(services, a.Service)
	}
	return services
}

// queryCodes are the errors that have another name in the query protocol, and their status.
var queryCodes = map[string]struct {
	code   string
	status int
}{
	auth.UnrecognizedClient:         {"InvalidClientTokenId", http.StatusForbidden},
	auth.InvalidSignature:           {"SignatureDoesNotMatch", http.StatusForbidden},
	auth.MissingAuthenticationToken: {"MissingAuthenticationToken", http.StatusForbidden},
	auth.IncompleteSignature:        {"IncompleteSignature", http.StatusBadRequest},
	CodeAccessDenied:                {"AccessDenied", http.StatusForbidden},
	CodeThrottling:                  {"Throttling", http.StatusBadRequest},
}

// queryErrorOf returns err as the query protocol shows it.
func queryErrorOf(err error) *Error {
	shown := errorOf(err)
	if as, other := queryCodes[shown.Code]; other {
		return &Error{Code: as.code, Message: shown.Message, Status: as.status, Err: shown}
	}
	return shown
}

func (c *Call) failQuery(action *QueryAction, err *Error) {
	kind := "Sender"
	if statusOf(err) >= http.StatusInternalServerError {
		kind = "Receiver"
	}
	body, _ := xml.Marshal(queryError{Namespace: action.Namespace, Type: kind, Code: err.Code, Message: err.Message, RequestID: c.RequestID})
	c.answerQuery(statusOf(err), string(body)+"\n")
}

func (c *Call) answerQuery(status int, body string) {
	c.sent = int64(len(body))
	answerXML(c.response, status, body)
}

// Operations returns the names of all that is served, sorted: operations of services, and
// actions.
func (f *Front) Operations() []string {
	var names []string
	for _, s := range f.services {
		for _, o := range s.Table.Operations {
			names = append(names, o.Name)
		}
	}
	for _, a := range f.actions {
		names = append(names, a.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
