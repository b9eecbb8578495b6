package pipelock

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/bottle-run/bottle/sidecar"
)

// A Resolver looks names up. net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

const (
	dialTimeout    = 15 * time.Second
	resolveTimeout = 10 * time.Second
)

// errPrivate is in the chain when a name resolved to an address that the gate does
// not dial.
var errPrivate = errors.New("is not an address of the outside world")

// A dialer connects to names. It dials an address that it checked, never a name,
// so that a second answer of the resolver changes nothing.
type dialer struct {
	resolver Resolver
	policy   *policy
	connect  func(ctx context.Context, network, addr string) (net.Conn, error)
	// open are the connections to upstreams, which end with the gate.
	open *sidecar.Conns
}

func (d *dialer) dial(ctx context.Context, _, hostport string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, err
	}
	addrs, err := d.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	var last error
	for _, a := range addrs {
		c, err := d.connect(ctx, "tcp", net.JoinHostPort(a.String(), port))
		if err == nil {
			return d.open.Add(c), nil
		}
		last = err
	}
	return nil, last
}

// lookup returns the addresses of host that may be dialled. One bad address
// condemns them all: an attacker's zone mixes them on purpose.
func (d *dialer) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	// The dot keeps the resolver from trying the host's search domains.
	addrs, err := d.resolver.LookupNetIP(ctx, "ip", host+".")
	if err != nil {
		return nil, fmt.Errorf("looking up %s: %w", host, err)
	}
	if len(addrs) == 0 {
		return nil, fmt.Errorf("looking up %s: it has no address", host)
	}
	for i, a := range addrs {
		addrs[i] = a.Unmap()
		if reason, private := sidecar.PrivateAddr(a); private && (!d.policy.mayBePrivate(host) || !mayBeAllowed(a)) {
			return nil, fmt.Errorf("%s resolves to %s, which %w (%s)", host, a, errPrivate, reason)
		}
	}
	return addrs, nil
}

// mayBeAllowed reports whether private= may open an address: never the gate's own
// loopback, and never a cloud's metadata, which hands out credentials.
func mayBeAllowed(a netip.Addr) bool {
	a = a.Unmap()
	_, metadata := sidecar.MetadataAddr(a)
	return !metadata && !a.IsLoopback() && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLinkLocalUnicast()
}

// A way is how one kind of client gets out under one policy. Clients never share
// one: a pooled connection belongs to who may use it.
type way struct {
	*http.Transport
	// tunnel connects to a host whose TLS is not opened.
	tunnel func(ctx context.Context, hostport string) (net.Conn, error)
}

func (g *Gate) way(p *policy) (*way, error) {
	t := &http.Transport{
		DisableCompression:     true, // what the client did not ask for it may not understand
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    16,
		MaxIdleConns:           256,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    dialTimeout,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 1 << 20,
	}
	var extra [][]byte
	if p.Trust != "" {
		extra = append(extra, []byte(p.Trust))
	}
	roots, err := sidecar.Roots(extra...)
	if err != nil {
		return nil, err
	}
	t.TLSClientConfig = upstreamTLS(roots)
	d := &dialer{resolver: g.resolver, connect: g.connect, policy: p, open: &g.upstreams}
	t.DialContext = d.dial
	w := &way{t, func(ctx context.Context, hostport string) (net.Conn, error) { return d.dial(ctx, "tcp", hostport) }}
	if p.UpstreamProxy == "" {
		return w, nil
	}
	u, err := url.Parse(p.UpstreamProxy)
	if err != nil {
		return nil, err
	}
	// The proxy is the operator's own and resolves the names itself; the launch's
	// helpers stay directly reachable.
	t.Proxy = func(r *http.Request) (*url.URL, error) {
		if _, own := p.own[r.URL.Hostname()]; own {
			return nil, nil
		}
		return u, nil
	}
	t.DialContext = func(ctx context.Context, network, hostport string) (net.Conn, error) {
		if hostport != withPort(u) {
			return d.dial(ctx, network, hostport)
		}
		c, err := g.connect(ctx, network, hostport)
		if err != nil {
			return nil, fmt.Errorf("the upstream proxy: %w", err)
		}
		return g.upstreams.Add(c), nil
	}
	w.tunnel = func(ctx context.Context, hostport string) (net.Conn, error) {
		c, err := t.DialContext(ctx, "tcp", withPort(u))
		if err != nil {
			return nil, err
		}
		return through(ctx, c, u, hostport)
	}
	return w, nil
}

// through makes of c, a connection to the proxy u, one to hostport. It closes c when
// that fails.
func through(ctx context.Context, c net.Conn, u *url.URL, hostport string) (_ net.Conn, err error) {
	defer func() {
		if err != nil {
			_ = c.Close()
			err = fmt.Errorf("the upstream proxy: %w", err)
		}
	}()
	_ = c.SetDeadline(time.Now().Add(dialTimeout))
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: hostport}, Host: hostport, Header: http.Header{"User-Agent": {""}}}
	if u.User != nil {
		password, _ := u.User.Password()
		req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)))
	}
	if err := req.Write(c); err != nil {
		return nil, err
	}
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, req) //nolint:bodyclose // what follows is the tunnel
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %s", resp.Status)
	}
	return &peeked{Conn: c, r: r}, c.SetDeadline(time.Time{})
}

func withPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}
