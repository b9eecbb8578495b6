package docker_test

import (
	"net"
	"testing"
)

// listen listens on every address of this machine, and returns those that a
// container might try.
func listen(t *testing.T) []string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, a := range addrs {
		ip, _, err := net.ParseCIDR(a.String())
		if err != nil || ip.IsLoopback() || ip.IsLinkLocalUnicast() {
			continue
		}
		found = append(found, net.JoinHostPort(ip.String(), port))
	}
	if len(found) == 0 {
		t.Fatal("this machine has no address to try")
	}
	return found
}
