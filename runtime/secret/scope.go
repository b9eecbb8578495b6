package secret

import (
	"io"
	"net/http"
	"net/url"
	"strings"
)

// scoped adds a scope to the form of a refresh, which the library leaves out.
type scoped struct {
	next  http.RoundTripper
	scope string
}

// RoundTrip implements http.RoundTripper.
func (s scoped) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	_ = r.Body.Close()
	if err != nil {
		return nil, err
	}
	form := string(body) + "&scope=" + url.QueryEscape(s.scope)
	r = r.Clone(r.Context())
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(form)), int64(len(form))
	r.GetBody = nil
	next := s.next
	if next == nil {
		next = http.DefaultTransport
	}
	return next.RoundTrip(r)
}
