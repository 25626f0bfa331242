package auth

import (
	"net/http"
	"strings"
	"time"
)

// claim is what a request says of its signature, understood.
type claim struct {
	statement
	// The credential scope.
	accessKeyID string
	day         string // as in "20150830"
	region      string
	service     string
	terminator  string
	// When it was signed.
	at     time.Time
	stamp  string // at in the basic form of ISO 8601: that is what was signed
	signed []string
}

// stampForm is the basic form of ISO 8601, and how much of it is the day.
const (
	stampForm = "20060102T150405Z"
	dayBytes  = len("20060102")
)

// readScope takes ID/20150830/us-east-1/kinesis/aws4_request apart.
func (c *claim) readScope() error {
	parts := strings.Split(c.credential, "/")
	if len(parts) != 5 || !isAccessKeyID(parts[0]) {
		return refuse(IncompleteSignature, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", quoted(c.credential))
	}
	c.accessKeyID, c.day, c.region, c.service, c.terminator = parts[0], parts[1], parts[2], parts[3], parts[4]
	if !isName(c.region) {
		return refuse(InvalidSignature, "Credential should be scoped to a valid region, not '%s'.", quoted(c.region))
	}
	if !isName(c.service) {
		return refuse(InvalidSignature, "Credential should be scoped to a valid service, not '%s'.", quoted(c.service))
	}
	return nil
}

// isAccessKeyID reports whether it may be one. Logs show it, so it has no spaces.
func isAccessKeyID(id string) bool {
	return id != "" && len(id) <= accessKeyIDMax && containsOnly(id, func(b byte) bool { return '!' <= b && b <= '~' })
}

// isName reports whether it may be a region or a service: they become parts of ARNs.
func isName(name string) bool {
	const most = 32
	return name != "" && len(name) <= most && containsOnly(name, func(b byte) bool { return isLower(b) || isDigit(b) || b == '-' })
}

// readDate reads when the request was signed: X-Amz-Date in the form that is signed,
// and a Date header also in the forms of HTTP.
func (c *claim) readDate() error {
	var err error
	if c.at, err = time.Parse(stampForm, c.date); err != nil || len(c.date) != len(stampForm) {
		if c.at, err = http.ParseTime(c.date); err != nil {
			return refuse(IncompleteSignature, "Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601", quoted(c.date))
		}
	}
	c.at = c.at.UTC()
	c.stamp = c.at.Format(stampForm)
	return nil
}

// checkScope refuses a signature that was made for something else.
func (c *claim) checkScope(services []string) error {
	var wrong []string
	known := false
	for _, service := range services {
		known = known || service == c.service
	}
	if !known {
		wanted := ""
		if len(services) > 0 {
			wanted = services[0]
		}
		wrong = append(wrong, "Credential should be scoped to correct service: '"+wanted+"'.")
	}
	if c.terminator != terminator {
		wrong = append(wrong, "Credential should be scoped with a valid terminator: '"+terminator+"', not '"+quoted(c.terminator)+"'.")
	}
	if day := c.stamp[:dayBytes]; c.day != day {
		wrong = append(wrong, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '"+
			quoted(c.day)+"' != '"+day+"', from '"+c.stamp+"'.")
	}
	if len(wrong) > 0 {
		return refuse(InvalidSignature, "%s", strings.Join(wrong, " "))
	}
	return nil
}

// checkTime refuses a signature that is too old or not yet good.
func (c *claim) checkTime(now time.Time, skew time.Duration) error {
	now = now.UTC().Truncate(time.Second) // as exact as what it is compared with
	minutes := int(skew / time.Minute)
	earliest, latest := now.Add(-skew), now.Add(skew)
	if c.at.After(latest) {
		return refuse(InvalidSignature, "Signature not yet current: %s is still later than %s (%s + %d min.)",
			c.stamp, latest.Format(stampForm), now.Format(stampForm), minutes)
	}
	if c.presigned {
		lifetime, err := c.lifetime()
		if end := c.at.Add(lifetime); err == nil && now.After(end) {
			return refuse(InvalidSignature, "Signature expired: %s is now earlier than %s", end.Format(stampForm), now.Format(stampForm))
		}
		return err
	}
	if c.at.Before(earliest) {
		return refuse(InvalidSignature, "Signature expired: %s is now earlier than %s (%s - %d min.)",
			c.stamp, earliest.Format(stampForm), now.Format(stampForm), minutes)
	}
	return nil
}
