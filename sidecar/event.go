package sidecar

import (
	"strings"
	"time"
	"unicode/utf8"
)

// A Kind says what an Event is about.
type Kind string

// The kinds of audited decisions.
const (
	KindRequest Kind = "request" // an HTTP request or a tunnel
	KindDNS     Kind = "dns"     // a lookup
	KindPush    Kind = "push"    // a ref of a git push, besides the request
)

// A Decision is what a sidecar decided.
type Decision string

// The decisions.
const (
	Allow Decision = "allow"
	Deny  Decision = "deny"
	Warn  Decision = "warn" // let through though a rule found something
)

// The clients that sidecars know.
const (
	ClientAgent     = "agent"
	ClientCredProxy = "cred-proxy"
)

// An Event is one audited decision. It never holds a query, a body or the value
// of a header. Strings that a client chose are cut at a length that keeps the
// event a short line.
type Event struct {
	Kind Kind `json:"event"`
	// Time is when the request came; the zero Time becomes now. Always in UTC.
	Time time.Time `json:"time"`
	// Client is ClientAgent or ClientCredProxy; behind a cred-proxy that tells
	// agents apart it is the agent's name, or empty for who is none of them.
	Client string `json:"client,omitempty"`
	// Method of the request, or the type of a DNS question.
	Method string `json:"method,omitempty"`
	// Host is where the request would go: a host, or host:port.
	Host string `json:"host,omitempty"`
	// Path of the URL, escaped, without the query.
	Path string `json:"path,omitempty"`
	// Status is what the client got; 0 if the connection broke before a status.
	Status   int      `json:"status,omitempty"`
	Decision Decision `json:"decision"`
	// Ref is what a push would change.
	Ref string `json:"ref,omitempty"`
	// Rule is the place in the script of the rule or route that decided.
	Rule string `json:"rule,omitempty"`
	// Reason says why a request was refused or failed.
	Reason string `json:"reason,omitempty"`
	// BytesIn came from the client, BytesOut went to it: bodies, and what a
	// tunnel or a WebSocket carried.
	BytesIn  int64 `json:"bytes_in"`
	BytesOut int64 `json:"bytes_out"`
	// MS is how long it took, in milliseconds.
	MS int64 `json:"ms"`
	// Route is the path of the cred-proxy's route.
	Route string `json:"route,omitempty"`
	// Credential is the slot that was put into the request, never its value.
	Credential string `json:"credential,omitempty"`
}

// maxEventString is the longest string of an event, in bytes. A path may be a
// megabyte, and an agent may ask for many.
const maxEventString = 1024

// clean returns e as it may be written.
func (e Event) clean() Event {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e.Time = e.Time.UTC()
	e.Path, _, _ = strings.Cut(e.Path, "?")
	for _, s := range []*string{&e.Method, &e.Host, &e.Path, &e.Reason, &e.Ref} {
		*s = shorten(*s)
	}
	return e
}

// shorten cuts s where it is long, not inside a character.
func shorten(s string) string {
	if len(s) <= maxEventString {
		return s
	}
	end := maxEventString
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
