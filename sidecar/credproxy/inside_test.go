package credproxy_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/sidecar/credproxy"
)

// THREATS 21: plain http goes to no address outside, whatever name led there.
func TestPlainHTTPStaysInside(t *testing.T) {
	u := unstarted(nil)
	u.Start()
	t.Cleanup(u.Close)
	for addr, want := range map[string]string{
		u.host(): "", "198.41.0.4:80": "not inside the launch", "[2001:500:200::b]:80": "not inside the launch", "169.254.169.254:80": "metadata service", "[::ffff:198.41.0.4]:80": "not inside the launch",
	} {
		if err := credproxy.DialInTheClear(t.Context(), addr); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", addr, err, want)
		}
	}
}

// THREATS 6 and 25: without a gate the cred-proxy is on a network with a way out,
// and does not serve it, nor who comes by it.
func TestStrangers(t *testing.T) {
	addresses := map[netip.Addr]netip.Prefix{
		netip.MustParseAddr("10.213.0.2"): netip.MustParsePrefix("10.213.0.0/28"), netip.MustParseAddr("172.18.0.2"): {},
		netip.MustParseAddr("fd00::2"): netip.MustParsePrefix("fd00::/64"), netip.MustParseAddr("fd01::2"): {},
	}
	for _, test := range []struct {
		local, remote string
		ok            bool
	}{
		{"10.213.0.2", "10.213.0.3", true},
		{"::ffff:10.213.0.2", "::ffff:10.213.0.3", true},
		{"127.0.0.1", "127.0.0.1", true},
		{"::1", "::1", true},
		{"fd00::2", "fd00::3", true},
		{"172.18.0.2", "172.18.0.3", false},
		{"172.18.0.2", "172.18.0.1", false},
		{"10.213.0.2", "172.18.0.3", false},
		{"172.18.0.2", "10.213.0.3", false},
		{"10.213.0.2", "10.213.0.17", false},
		{"fd01::2", "fd01::3", false},
		{"fd00::2", "fd01::3", false},
		{"10.213.0.9", "10.213.0.3", false},
		{"127.0.0.1", "172.18.0.3", false},
	} {
		if why := credproxy.Stranger(addresses, test.local, test.remote); (why == "") != test.ok || !strings.Contains(why, test.remote) && !test.ok {
			t.Errorf("%s to %s: %q", test.remote, test.local, why)
		}
	}
}

func TestDefaultLinks(t *testing.T) {
	const four = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010012AC	0003	0	0	0	00000000	0	0	0
eth0	000012AC	00000000	0001	0	0	0	0000FFFF	0	0	0
eth1	0000D50A	00000000	0001	0	0	0	F0FFFFFF	0	0	0
eth3	00000000	010012AC	0003	0	0	0	00000080	0	0	0
`
	const six = `fd010000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fd010000000000000000000000000001 00000400 00000001 00000000 00000003     eth2
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
`
	if got := credproxy.DefaultLinks(four); !slices.Equal(got, []string{"eth0"}) {
		t.Errorf("%q", got)
	}
	if got := credproxy.DefaultLinks(six); !slices.Equal(got, []string{"eth2"}) {
		t.Errorf("%q", got)
	}
}
