package sidecar_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/sidecar"
)

func TestPrivateAddr(t *testing.T) {
	for addr, want := range map[string]string{
		"8.8.8.8": "", "1.1.1.1": "", "2606:4700::1111": "", "2a00:1450:4001::200e": "", "64:ff9b::808:808": "", "172.32.0.1": "", "172.15.255.255": "",
		"100.63.255.255": "", "100.128.0.1": "", "192.0.1.1": "", "223.255.255.255": "", "198.20.0.1": "", "2001:200::1": "", "9.255.255.255": "", "11.0.0.0": "",
		"0.0.0.0": "this network", "0.1.2.3": "this network", "10.0.0.1": "RFC 1918", "100.64.0.1": "carrier", "100.127.255.255": "carrier",
		"127.0.0.1": "loopback", "127.255.255.255": "loopback", "169.254.1.1": "link-local", "172.16.0.1": "RFC 1918", "172.31.255.255": "RFC 1918",
		"192.0.0.1": "IETF", "192.0.2.1": "documentation", "192.88.99.1": "6to4", "192.168.1.1": "RFC 1918", "198.18.0.1": "benchmarking",
		"198.19.255.255": "benchmarking", "198.51.100.1": "documentation", "203.0.113.1": "documentation", "224.0.0.1": "multicast",
		"239.255.255.255": "multicast", "240.0.0.1": "reserved", "255.255.255.255": "broadcast",
		"::": "unspecified", "::1": "loopback", "fe80::1": "link-local", "fe80::1%eth0": "link-local", "fec0::1": "site-local", "fc00::1": "unique-local",
		"fd12:3456::1": "unique-local", "ff02::1": "multicast", "2001:db8::1": "documentation", "3fff::1": "documentation", "2001:2::1": "IETF",
		"100::1": "discard", "4000::1": "not allocated", "1::1": "not allocated", "5f00::1": "not allocated",
		"::ffff:10.0.0.1": "IPv4-mapped (RFC 4291) with 10.0.0.1 inside: private", "::ffff:8.8.8.8": "IPv4-mapped", "::8.8.8.8": "IPv4-compatible",
		"::127.0.0.1": "IPv4-compatible (RFC 4291) with 127.0.0.1 inside: loopback", "::2": "IPv4-compatible",
		"64:ff9b::a00:1": "NAT64 (RFC 6052) with 10.0.0.1 inside: private", "64:ff9b::7f00:1": "loopback", "64:ff9b:1::808:808": "local NAT64",
		"2002:a00:1::": "6to4 (RFC 3056) with 10.0.0.1 inside: private", "2002:808:808::1": "6to4", "2001:0:1:2:3:4:f5ff:fffe": "Teredo (RFC 4380) with 10.0.0.1 inside",
		"169.254.169.254": "metadata", "fd00:ec2::254": "metadata service of AWS", "168.63.129.16": "metadata service of Azure", "100.100.100.200": "metadata service of Alibaba",
		"169.254.170.2": "metadata", "fd20:ce::254": "metadata service of Google", "192.0.0.192": "metadata service of Oracle", "::ffff:169.254.169.254": "metadata",
		"64:ff9b::a9fe:a9fe": "metadata", "2002:a9fe:a9fe::1": "metadata", "::169.254.169.254": "metadata", "fd00:ec2::254%eth0": "metadata",
		"2002:a83f:8110::": "metadata service of Azure",
	} {
		reason, private := sidecar.PrivateAddr(netip.MustParseAddr(addr))
		if private != (want != "") || !strings.Contains(reason, want) {
			t.Errorf("PrivateAddr(%s) = %q, %t, want %q", addr, reason, private, want)
		}
	}
	if _, private := sidecar.PrivateAddr(netip.Addr{}); !private {
		t.Error("the zero Addr is public")
	}
}

// What the standard library knows to be special is never public to us, in IPv4
// and in every embedding.
func FuzzPrivateAddr(f *testing.F) {
	f.Add([]byte{10, 0, 0, 1})
	f.Add([]byte{8, 8, 8, 8})
	f.Add(netip.MustParseAddr("64:ff9b::1").AsSlice())
	f.Fuzz(func(t *testing.T, b []byte) {
		addr, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		_, private := sidecar.PrivateAddr(addr)
		if !addr.IsGlobalUnicast() || addr.IsPrivate() || addr.Is4In6() {
			if !private {
				t.Errorf("%s is public", addr)
			}
		}
		if !addr.Is4() {
			return
		}
		mapped := netip.AddrFrom16(addr.As16())
		if _, p := sidecar.PrivateAddr(mapped); !p {
			t.Errorf("%s is public", mapped)
		}
		nat := netip.MustParseAddr("64:ff9b::").As16()
		copy(nat[12:], b)
		if _, p := sidecar.PrivateAddr(netip.AddrFrom16(nat)); p != private {
			t.Errorf("%s: %t, its inner address %t", netip.AddrFrom16(nat), p, private)
		}
	})
}
