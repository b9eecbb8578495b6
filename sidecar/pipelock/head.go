package pipelock

import (
	"encoding/base64"
	"net/textproto"
	"slices"
	"strings"

	"github.com/bottle-run/bottle/sidecar"
)

// A part is a piece of a request's head, and what it is called.
type part struct{ where, text string }

// head returns what is read of a request's head.
func (x *exchange) head(v verdict) []part {
	u := x.r.URL
	// A route's credential belongs where its route puts it.
	var headers, parameters []string
	if x.client == sidecar.ClientCredProxy && v.rule != nil {
		headers, parameters = x.force.policy.credentials(x.target.host)
	}
	parts := []part{
		{"the method", x.r.Method},
		{"the host name", x.target.host},
		// A label has 63 characters at most, and a secret may go on in the next.
		{"the host name", strings.ReplaceAll(x.target.host, ".", "")},
		{"the path", u.EscapedPath()},
		{"the query", without(u.RawQuery, parameters)},
	}
	headers = append(headers, "Proxy-Authorization") // the gate's own, which it drops
	for name, values := range x.r.Header {
		if slices.ContainsFunc(headers, func(h string) bool { return textproto.CanonicalMIMEHeaderKey(h) == name }) {
			continue
		}
		for _, value := range values {
			if name == "Sec-Websocket-Key" && isNonce(value) {
				continue // random by its nature (RFC 6455, 4.1), as a secret is
			}
			parts = append(parts, part{"the header " + name, name + ": " + value})
		}
	}
	return parts
}

// isNonce reports whether value is what RFC 6455 asks for: 16 bytes in base64.
func isNonce(value string) bool {
	b, err := base64.StdEncoding.Strict().DecodeString(value)
	return err == nil && len(b) == 16
}
