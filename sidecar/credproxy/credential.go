package credproxy

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/bottle-run/bottle/sidecar"
)

// A credential puts a secret into a request. The secret is in closures only,
// which print as addresses.
type credential struct {
	slot   string
	header string // canonical
	inject func(http.Header)
	// secrets calls its argument with each string that must not come back.
	secrets func(func([]byte))
}

// newCredential returns the credential of a with the value of its slot. Its
// errors tell how to mend the value without saying what it is.
func newCredential(a *Auth, value sidecar.Secret) (*credential, error) {
	if len(value) == 0 {
		return nil, fmt.Errorf("%s has no value", a.Secret)
	}
	if why := badValue(value); why != "" {
		return nil, fmt.Errorf("the value of %s %s", a.Secret, why)
	}
	c := &credential{slot: a.Secret, header: "Authorization"}
	// A copy, so that a caller that wipes its buffer does not change it.
	parts := []string{string(value)}
	var text string
	switch a.Scheme {
	case "bearer":
		text = "Bearer " + parts[0]
	case "token":
		text = "token " + parts[0]
	case "basic":
		pair := a.User + ":" + parts[0]
		parts = append(parts, pair)
		text = "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
	case "header":
		c.header = http.CanonicalHeaderKey(a.Header)
		text = parts[0]
	default:
		return nil, errors.New("no such scheme") // Validate came first
	}
	c.inject = func(h http.Header) { h[c.header] = []string{text} }
	c.secrets = func(yield func([]byte)) {
		for _, p := range parts {
			yield([]byte(p))
		}
	}
	return c, nil
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
