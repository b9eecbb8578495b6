package pipelock

import (
	"bytes"
	"io"
	"net"
	"sync/atomic"

	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/dlp"
)

// An Ask is what a test wants to know of a policy.
type Ask struct {
	Client, Scheme, Authority string
	Port                      int // where the authority names none
	Method, Path              string
	PathErr                   error
	Blind                     bool
}

// Decide returns the reason of a refusal, or "".
func Decide(c Config, a Ask) (string, error) {
	p, err := newPolicy(c)
	if err != nil {
		return "", err
	}
	t, err := newTarget(a.Scheme, a.Authority, a.Port)
	if err != nil {
		return err.Error(), nil //nolint:nilerr // that it is no target is the answer
	}
	v := p.decide(ask{client: a.Client, target: t, method: a.Method, path: a.Path, pathErr: a.PathErr, blind: a.Blind})
	if v.ok != (v.reason == "") {
		panic("a verdict that is neither")
	}
	return v.reason, nil
}

// Target returns what an authority is read as.
func Target(authority string) (host string, port int, err error) {
	t, err := newTarget("https", authority, 443)
	return t.host, t.port, err
}

// Stream returns what leaves of a body whose start is pending and whose rest
// comes from src, and why it stopped.
func Stream(s *dlp.Scanner, pending []byte, src io.Reader, encoding string) (out []byte, blocked bool) {
	var told atomic.Pointer[string]
	b, err := newScanning(&look{scanner: s, block: true, told: &told}, bytes.Clone(pending), src, encoding)
	if err != nil {
		return nil, true
	}
	out, err = io.ReadAll(b)
	return out, err != nil
}

// Limits that tests stay below or go above.
const (
	WholeBody = wholeBody
	HoldBack  = holdBack
)

// A RuleAsk is a request to decide about.
type RuleAsk = ask

// RuleAsks are requests of every kind that rules tell apart.
func RuleAsks() []RuleAsk {
	var all []RuleAsk
	for _, client := range []string{sidecar.ClientAgent, sidecar.ClientCredProxy} {
		all = append(all, ask{client: client, target: target{"http", "mcp", 80}, method: "GET", path: "/y"})
		for _, host := range []string{"a.test", "b.a.test", "c.test"} {
			for _, port := range []int{80, 443, 8443} {
				t := target{"https", host, port}
				all = append(all, ask{client: client, target: t, blind: true})
				for _, method := range []string{"GET", "POST", "PUT"} {
					for _, path := range []string{"/x/1", "/y", "/z"} {
						all = append(all, ask{client: client, target: t, method: method, path: path})
					}
				}
			}
		}
	}
	return all
}

// DecideRule says whether c lets a through, and the limit of its body; 0 is none.
func DecideRule(c Config, a RuleAsk) (ok bool, limit int64) {
	own, _ := c.sidecars()
	v := (&policy{Config: c, own: own}).decide(a)
	if v.rule != nil {
		limit = v.rule.MaxBody
	}
	return v.ok, limit
}

// Frames returns what passes of a client's WebSocket frames, and why it stopped.
func Frames(s *dlp.Scanner, sent []byte) (passed []byte, stopped string) {
	var told, stop atomic.Pointer[string]
	client, far := net.Pipe()
	go func() { _, _ = far.Write(sent); _ = far.Close() }()
	f := newFrames(client, &look{scanner: s, excuse: func(dlp.Finding) bool { return false }, block: true, told: &told}, &stop)
	passed, _ = io.ReadAll(f)
	_ = client.Close()
	if reason := stop.Load(); reason != nil {
		stopped = *reason
	}
	return passed, stopped
}

// Messages returns what passes of a gRPC body.
func Messages(s *dlp.Scanner, sent []byte) []byte {
	var told atomic.Pointer[string]
	look := &look{scanner: s, excuse: func(dlp.Finding) bool { return false }, block: true, told: &told}
	passed, _ := io.ReadAll(newMessages(look, bytes.NewReader(sent), ""))
	return passed
}
