package pipelock

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/dlp"
)

// A Gate decides and forwards. It is safe for concurrent use.
type Gate struct {
	events *sidecar.Events
	ca     *sidecar.CA
	// scanner is made while the gate starts to listen: nobody waits for it but the
	// first request.
	scanner  func() *dlp.Scanner
	resolver Resolver
	connect  func(ctx context.Context, network, addr string) (net.Conn, error)
	log      *log.Logger
	token    sidecar.Secret // by which the cred-proxy is known; nil for none

	force     atomic.Pointer[inForce]
	upstreams sidecar.Conns
	inner     *innerListener

	mu   sync.Mutex
	live map[*liveRequest]struct{}
}

// What is in force is replaced as a whole.
type inForce struct {
	policy *policy
	ways   map[string]*way // by the kind of client
	grants map[string]*grant
}

func (f *inForce) close() {
	for _, t := range f.ways {
		t.CloseIdleConnections()
	}
}

// apply puts a policy in force, and ends what it does not allow any more.
func (g *Gate) apply(c Config) error {
	p, err := newPolicy(c)
	if err != nil {
		return err
	}
	next := &inForce{policy: p, ways: map[string]*way{}}
	for _, client := range []string{sidecar.ClientAgent, sidecar.ClientCredProxy} {
		if next.ways[client], err = g.way(p); err != nil {
			return err
		}
	}
	var before map[string]*grant
	if old := g.force.Load(); old != nil {
		before = old.grants
	}
	next.grants = p.grants(before, time.Now())
	if old := g.force.Swap(next); old != nil {
		old.close()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for l := range g.live {
		l.hold(p)
	}
	return nil
}

// ServeHTTP is the proxy's front: requests with an absolute URL, and CONNECT.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && r.URL.Path == "/healthz" && !r.URL.IsAbs() {
		_, _ = w.Write([]byte("ok\n"))
		return
	}
	x := &exchange{gate: g, w: w, r: r, start: time.Now(), force: g.force.Load()}
	var err error
	x.client, x.ticket, err = g.client(r)
	if err != nil {
		x.refuse(http.StatusProxyAuthRequired, verdict{reason: err.Error()})
		return
	}
	if r.Method == http.MethodConnect {
		x.connect()
		return
	}
	if secure := r.URL.Scheme == "https" && x.aliased(r.URL.Host); !secure && (r.URL.Scheme != "http" || r.URL.Host == "") {
		x.host = r.Host
		x.refuse(http.StatusBadRequest, verdict{reason: "this is a proxy for http:// requests and CONNECT; set HTTP_PROXY and HTTPS_PROXY"})
		return
	}
	x.target, err = newTarget(r.URL.Scheme, r.URL.Host, map[string]int{"http": 80, "https": 443}[r.URL.Scheme])
	if err != nil {
		x.host = r.URL.Host
		x.refuse(http.StatusForbidden, verdict{reason: err.Error()})
		return
	}
	if !x.sameHost(r.Host) {
		return
	}
	x.forward()
}

// aliased reports whether https may be asked of host without a tunnel: what is said
// stays within the launch.
func (x *exchange) aliased(host string) bool {
	t, err := newTarget("https", host, 443)
	return err == nil && x.client == sidecar.ClientAgent && x.force.policy.alias(ask{target: t}) != nil
}

// An exchange is one request on its way through the gate.
type exchange struct {
	gate   *Gate
	w      http.ResponseWriter
	r      *http.Request
	start  time.Time
	force  *inForce
	client string
	ticket string // of an agent that its cred-proxy tells from others
	target target
	host   string // as the client wrote it, while there is no target
	look   *look  // nil where nothing is read
	grant  *grant // nil where nothing is counted
	path   string // canonical, once it is decided about
}

func (x *exchange) event(d sidecar.Decision, status int, v verdict) sidecar.Event {
	host := x.host
	if x.target.host != "" {
		host = x.target.String()
	}
	return sidecar.Event{
		Kind: sidecar.KindRequest, Time: x.start, Client: x.client, Method: x.r.Method, Host: host, Path: x.shown(),
		Status: status, Decision: d, Rule: v.pos(), Reason: v.reason, MS: time.Since(x.start).Milliseconds(),
	}
}

// refuse answers with the reason, and writes it down.
func (x *exchange) refuse(status int, v verdict) {
	x.gate.events.Audit(x.event(sidecar.Deny, status, v))
	x.w.Header().Set("Connection", "close")
	x.refusal(v).Write(x.w, status)
}

func (x *exchange) refusal(v verdict) sidecar.Refusal {
	f := sidecar.Refusal{Reason: v.reason, Host: x.host}
	if x.target.host == "" {
		return f
	}
	f.Host = x.target.host
	if v.rule == nil && x.client == sidecar.ClientAgent {
		f.Allow = fmt.Sprintf("pipelock(allow = [%q])", x.target.host)
		if x.target.port != 80 && x.target.port != 443 {
			f.Allow = fmt.Sprintf("pipelock(allow = [rule(%q, ports = [%d])])", x.target.host, x.target.port)
		}
	} else if v.finding != nil {
		f.Allow = fmt.Sprintf("if it is none: pipelock(dlp_allow = [excuse(%q, host = %q, hash = %q)])", v.finding.Rule, x.target.host, v.finding.Hash)
	} else if v.rule != nil {
		f.Allow = "the rule at " + v.rule.Pos
	}
	return f
}

// sameHost holds the Host header against the target: who fronts a host with
// another's name is refused.
func (x *exchange) sameHost(header string) bool {
	defaultPort := 80
	if x.target.scheme == "https" {
		defaultPort = 443
	}
	t, err := newTarget(x.target.scheme, header, defaultPort)
	if err == nil && t.host == x.target.host && t.port == x.target.port {
		return true
	}
	x.refuse(http.StatusMisdirectedRequest, verdict{reason: fmt.Sprintf("the Host header is not that of the connection, %s", x.target)})
	return false
}

// forward decides about a request whose target is known, reads it, and sends it
// on.
func (x *exchange) forward() {
	a := ask{client: x.client, target: x.target, method: x.r.Method}
	a.path, a.pathErr = sidecar.CanonicalPath(x.r.URL.EscapedPath())
	v := x.force.policy.decide(a)
	switch {
	case !v.ok:
		x.refuse(http.StatusForbidden, v)
		return
	case x.r.Method == http.MethodTrace || x.r.Method == http.MethodConnect:
		x.refuse(http.StatusForbidden, verdict{reason: "the method " + x.r.Method + " is not let through"})
		return
	case x.r.Header.Get("Upgrade") != "" && !strings.EqualFold(x.r.Header.Get("Upgrade"), "websocket"):
		x.refuse(http.StatusForbidden, verdict{rule: v.rule, reason: "only upgrades to websocket are let through"})
		return
	case v.rule != nil && v.rule.MaxBody > 0 && x.r.ContentLength > v.rule.MaxBody:
		x.refuse(http.StatusForbidden, verdict{rule: v.rule, reason: fmt.Sprintf("the body is longer than the %d bytes allowed", v.rule.MaxBody)})
		return
	}
	x.grant = x.force.grant(v)
	if err := x.grant.spend(x.start); err != nil {
		x.refuseSpent(v, err)
		return
	}
	ctx, done := x.gate.follow(x.r.Context(), a)
	defer done()
	ctx, cancel := x.grant.until(ctx)
	defer cancel()
	x.r = x.r.WithContext(ctx)
	x.path = a.path
	body, err := x.read(v)
	if err != nil {
		x.refuseBody(v, err)
		return
	}
	x.send(v, body)
}
