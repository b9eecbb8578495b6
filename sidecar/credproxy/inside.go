package credproxy

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"

	"github.com/bottle-run/bottle/sidecar"
)

// An insideListener accepts connections from the launch's own network alone. It is
// for a cred-proxy without a gate, which is also on a network with a way out,
// where others may be: containers of another launch, and the host.
type insideListener struct {
	net.Listener
	events *sidecar.Events
	lookup func() (hosts, error)

	mu    sync.Mutex
	known hosts
}

// hosts are the addresses of this container with what is on the same link; those
// of the links with a way out have no prefix.
type hosts map[netip.Addr]netip.Prefix

// Accept implements net.Listener. Who may not connect finds the connection closed.
func (l *insideListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		why := l.stranger(addrOf(c.LocalAddr()), addrOf(c.RemoteAddr()))
		if why == "" {
			return c, nil
		}
		_ = c.Close()
		l.events.Audit(sidecar.Event{Kind: sidecar.KindRequest, Decision: sidecar.Deny, Reason: why})
	}
}

// stranger says why remote may not connect to local; "" if it may. An address of
// this container can be reached by another link than its own, so that of the
// client counts as well: the way back to a forged one is the right link.
func (l *insideListener) stranger(local, remote netip.Addr) string {
	if local.IsLoopback() && remote.IsLoopback() {
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	prefix, ok := l.known[local]
	if !ok {
		known, err := l.lookup()
		if err != nil {
			return fmt.Sprintf("a connection from %s: %s", remote, err)
		}
		l.known = known
		prefix = known[local]
	}
	if !prefix.IsValid() || !prefix.Contains(remote) {
		return fmt.Sprintf("a connection from %s, which is not on the network of the launch", remote)
	}
	return ""
}

func addrOf(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

// localHosts finds the addresses of this container. On those links that have a
// default route no client of the launch is.
func localHosts() (hosts, error) {
	out := map[string]bool{}
	for _, file := range []string{"/proc/net/route", "/proc/net/ipv6_route"} {
		table, err := os.ReadFile(file)
		if err != nil && !os.IsNotExist(err) {
			return nil, fmt.Errorf("finding the way out: %w", err)
		}
		for _, link := range defaultLinks(table) {
			out[link] = true
		}
	}
	links, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("finding the networks: %w", err)
	}
	found := hosts{}
	for _, link := range links {
		addrs, err := link.Addrs()
		if err != nil {
			return nil, fmt.Errorf("finding the networks: %w", err)
		}
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			switch {
			case err != nil:
			case out[link.Name]:
				found[p.Addr().Unmap()] = netip.Prefix{}
			default:
				found[p.Addr().Unmap()] = p.Masked()
			}
		}
	}
	return found, nil
}

// defaultLinks returns the links of default routes in a table of proc(5), of IPv4
// or IPv6. The entries of lo are the kernel's own "unreachable".
func defaultLinks(table []byte) []string {
	var links []string
	for s := bufio.NewScanner(bytes.NewReader(table)); s.Scan(); {
		f := strings.Fields(s.Text())
		switch {
		case len(f) == 11 && f[1] == "00000000" && f[7] == "00000000":
			links = append(links, f[0])
		case len(f) == 10 && strings.Trim(f[0], "0") == "" && f[1] == "00" && f[9] != "lo":
			links = append(links, f[9])
		}
	}
	return links
}
