package credproxy

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/bottle-run/bottle/sidecar"
)

// A credential puts a secret into requests. The secret is in closures only, which
// print as addresses.
type credential struct {
	// slots are where its values come from; the first is the secret's.
	slots  []string
	header string // canonical; the one that carries it, "" for none
	// send sends a request with the credential. It leaves the request such that
	// send, also that of another value of the same slots, can send it again.
	send func(http.RoundTripper, *http.Request) (*http.Response, error)
	// secrets calls its argument with each string that must not come back.
	secrets func(func([]byte))
	// issued finds what the credential was exchanged for lately; nil for nothing.
	issued func() *scrubber
	// print tells values of the same slots apart.
	print [sha256.Size]byte
}

// newCredential returns the credential of a with the values of its slots, which is
// the one of former when nothing changed: it may have learnt something. Its errors
// tell how to mend a value without saying what it is.
func newCredential(a *Auth, inputs sidecar.Message, former []*route) (*credential, error) {
	sum := sha256.New()
	for _, slot := range a.Slots() {
		value := inputs[slot]
		if len(value) == 0 {
			return nil, fmt.Errorf("%s has no value", slot)
		}
		if why := badValue(value); why != "" {
			return nil, fmt.Errorf("the value of %s %s", slot, why)
		}
		_ = binary.Write(sum, binary.BigEndian, int64(len(value))) // a hash takes everything
		_, _ = sum.Write(value)
	}
	print := [sha256.Size]byte(sum.Sum(nil))
	for _, r := range former {
		if r.cred != nil && r.cred.print == print && *r.Auth == *a {
			return r.cred, nil
		}
	}
	c := &credential{slots: a.Slots(), print: print}
	switch a.Scheme {
	case "query":
		c.inQuery(a.Query, string(inputs[a.Secret]))
	case "sigv4":
		c.inSignature(a, inputs)
	case "registry":
		c.inRegistry(a, string(inputs[a.Secret]))
	default:
		c.inHeader(a, string(inputs[a.Secret]))
	}
	return c, nil
}

// inHeader makes c one that is the same header in every request.
func (c *credential) inHeader(a *Auth, secret string) {
	c.header = "Authorization"
	parts := []string{secret}
	var text string
	switch a.Scheme {
	case "bearer":
		text = "Bearer " + secret
	case "token":
		text = "token " + secret
	case "basic":
		pair := a.User + ":" + secret
		parts = append(parts, pair)
		text = "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
	case "header":
		c.header = http.CanonicalHeaderKey(a.Header)
		text = secret
	}
	value := []string{text}
	c.send = func(rt http.RoundTripper, r *http.Request) (*http.Response, error) {
		r.Header[c.header] = value
		return rt.RoundTrip(r)
	}
	c.keep(parts...)
}

// inQuery makes c a parameter of the query. What the client called so is gone
// already.
func (c *credential) inQuery(name, secret string) {
	pair := name + "=" + url.QueryEscape(secret)
	c.send = func(rt http.RoundTripper, r *http.Request) (*http.Response, error) {
		r = copyRequest(r)
		u := *r.URL
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += pair
		r.URL = &u
		return rt.RoundTrip(r)
	}
	c.keep(secret)
}

// keep has answers searched for parts.
func (c *credential) keep(parts ...string) {
	c.secrets = func(yield func([]byte)) {
		for _, p := range parts {
			yield([]byte(p))
		}
	}
}

// badValue says why v cannot be the value of a header exactly as it is.
func badValue(v []byte) string {
	for _, c := range v {
		switch {
		case c == '\n' || c == '\r':
			return "has a line break in it: give a secret of one line"
		case c < 0x20 || c == 0x7f:
			return fmt.Sprintf("has the control byte %#02x in it", c)
		}
	}
	if s := string(v); strings.TrimSpace(s) != s {
		return "begins or ends with a space"
	}
	return ""
}
