package credproxy

import (
	"context"
	"net"
	"net/netip"

	"github.com/bottle-run/bottle/sidecar"
)

// DialInTheClear dials as for a request over plain http.
func DialInTheClear(ctx context.Context, addr string) error {
	t, err := newTransport(gate{}, nil, new(sidecar.Conns))
	if err != nil {
		return err
	}
	c, err := t.DialContext(context.WithValue(ctx, inTheClear{}, true), "tcp", addr)
	if err == nil {
		_ = c.Close()
	}
	return err
}

// DefaultLinks is defaultLinks.
func DefaultLinks(table string) []string { return defaultLinks([]byte(table)) }

// Stranger says why remote may not connect to local, in a container with
// addresses: the prefix of the link of each, the zero prefix where it leads out.
func Stranger(addresses map[netip.Addr]netip.Prefix, local, remote string) string {
	l := insideListener{lookup: func() (hosts, error) { return addresses, nil }}
	addr := func(s string) netip.Addr {
		return addrOf(net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(s), 1)))
	}
	return l.stranger(addr(local), addr(remote))
}

// A Stream is a stream of a scrubber for tests.
type Stream struct{ s stream }

// Scrubber returns a stream that hides secrets; nil if they are too short.
func Scrubber(secrets ...string) *Stream {
	var all [][]byte
	for _, s := range secrets {
		all = append(all, []byte(s))
	}
	s := newScrubber(all)
	if s == nil {
		return nil
	}
	return &Stream{stream{scrubber: s}}
}

// Push passes a piece.
func (s *Stream) Push(piece []byte) []byte { return s.s.push(piece) }

// End ends the stream.
func (s *Stream) End() []byte { return s.s.end() }

// Clean passes a whole text.
func (s *Stream) Clean(text string) string { return s.s.clean(text) }

// HasProxy reports whether a cred-proxy without a gate asks anybody for a proxy.
// net/http never asks the environment for loopback, where tests live.
func HasProxy() bool {
	t, err := newTransport(gate{}, nil, nil)
	return err != nil || t.Proxy != nil
}

// Match returns the path of the route that a table with routes of such paths has
// for a canonical path; "" for none.
func Match(routes []string, path string) (string, error) {
	c := Config{Listen: ":0"}
	for _, r := range routes {
		c.Routes = append(c.Routes, Route{Path: r, Upstream: "https://x"})
	}
	t, err := newTable(c, nil, nil)
	if err != nil {
		return "", err
	}
	if r := t.match(path); r != nil {
		return r.Path, nil
	}
	return "", nil
}
