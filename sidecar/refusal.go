package sidecar

import (
	"net/http"
	"strconv"
)

// A Refusal is what a client is told whose request does not go through.
type Refusal struct {
	// Error is "blocked by bottle" unless something else went wrong.
	Error string `json:"error"`
	// Reason says why, for a person or an agent to act on.
	Reason string `json:"reason"`
	// Host is where the request would have gone.
	Host string `json:"host,omitempty"`
	// Allow is what to add to the launch script to let it through.
	Allow string `json:"allow,omitempty"`
}

// Blocked is the Error of a refusal by a rule.
const Blocked = "blocked by bottle"

// Body returns the refusal as one line of JSON.
func (r Refusal) Body() []byte {
	if r.Error == "" {
		r.Error = Blocked
	}
	return encodeLine(r)
}

// Write answers a request with the refusal.
func (r Refusal) Write(w http.ResponseWriter, status int) {
	body := r.Body()
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away needs no reason
}
