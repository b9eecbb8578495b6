package sidecar

import (
	"fmt"
	"net/netip"
)

// PrivateAddr reports whether addr is not an address of the public internet, and
// why. An IPv4 address inside an IPv6 one counts for itself; of the ways to
// embed one only NAT64 (64:ff9b::/96) leads to a public host today, so the
// others are private whatever they hold. Zones are ignored.
func PrivateAddr(addr netip.Addr) (reason string, private bool) {
	addr = addr.WithZone("")
	if !addr.IsValid() {
		return "not an address", true
	}
	if provider, ok := MetadataAddr(addr); ok {
		return "metadata service of " + provider, true
	}
	inner, how := embeddedIPv4(addr)
	switch how {
	case "":
		return reservedAddr(addr)
	case nat64:
		if reason, private = PrivateAddr(inner); private {
			reason = fmt.Sprintf("%s with %s inside: %s", how, inner, reason)
		}
		return reason, private
	default:
		if reason, private = PrivateAddr(inner); !private {
			return fmt.Sprintf("%s with %s inside", how, inner), true
		}
		return fmt.Sprintf("%s with %s inside: %s", how, inner, reason), true
	}
}

const nat64 = "NAT64 (RFC 6052)"

// embeddedIPv4 returns the IPv4 address that addr, an IPv6 address, carries, and
// by which convention.
func embeddedIPv4(addr netip.Addr) (inner netip.Addr, how string) {
	if !addr.Is6() {
		return addr, ""
	}
	b := addr.As16()
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte(b[i : i+4])) }
	switch {
	case within(addr, "::ffff:0:0/96"):
		return at(12), "IPv4-mapped (RFC 4291)"
	case within(addr, "::/128", "::1/128"):
		return addr, ""
	case within(addr, "::/96"):
		return at(12), "IPv4-compatible (RFC 4291)"
	case within(addr, "64:ff9b::/96"):
		return at(12), nat64
	case within(addr, "2002::/16"):
		return at(2), "6to4 (RFC 3056)"
	case within(addr, "2001::/32"): // the client's address, every bit inverted
		return netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}), "Teredo (RFC 4380)"
	}
	return addr, ""
}

func within(addr netip.Addr, prefixes ...string) bool {
	for _, p := range prefixes {
		if netip.MustParsePrefix(p).Contains(addr) {
			return true
		}
	}
	return false
}

// reservedAddr looks addr up in the IANA special-purpose address registries,
// https://www.iana.org/assignments/iana-ipv4-special-registry and
// https://www.iana.org/assignments/iana-ipv6-special-registry. Of IPv6 only
// 2000::/3 is given out as global unicast (RFC 4291 section 2.4).
func reservedAddr(addr netip.Addr) (reason string, private bool) {
	for _, r := range reserved() {
		if netip.MustParsePrefix(r.prefix).Contains(addr) {
			return r.name, true
		}
	}
	if addr.Is6() && !within(addr, "2000::/3") {
		return "not allocated as global unicast (RFC 4291)", true
	}
	return "", false
}

type reservedPrefix struct{ prefix, name string }

// reserved returns the prefixes; the first that holds an address names it.
func reserved() []reservedPrefix {
	return []reservedPrefix{
		{"0.0.0.0/8", `"this network" (RFC 791)`},
		{"10.0.0.0/8", "private (RFC 1918)"},
		{"100.64.0.0/10", "carrier-grade NAT (RFC 6598)"},
		{"127.0.0.0/8", "loopback (RFC 1122)"},
		{"169.254.0.0/16", "link-local (RFC 3927)"},
		{"172.16.0.0/12", "private (RFC 1918)"},
		{"192.0.0.0/24", "IETF protocol assignments (RFC 6890)"},
		{"192.0.2.0/24", "documentation (RFC 5737)"},
		{"192.88.99.0/24", "6to4 relay (RFC 7526)"},
		{"192.168.0.0/16", "private (RFC 1918)"},
		{"198.18.0.0/15", "benchmarking (RFC 2544)"},
		{"198.51.100.0/24", "documentation (RFC 5737)"},
		{"203.0.113.0/24", "documentation (RFC 5737)"},
		{"224.0.0.0/4", "multicast (RFC 5771)"},
		{"255.255.255.255/32", "broadcast (RFC 919)"},
		{"240.0.0.0/4", "reserved (RFC 1112)"},

		{"::/128", "unspecified (RFC 4291)"},
		{"::1/128", "loopback (RFC 4291)"},
		{"64:ff9b:1::/48", "local NAT64 (RFC 8215)"},
		{"100::/64", "discard-only (RFC 6666)"},
		{"2001::/23", "IETF protocol assignments (RFC 2928)"},
		{"2001:db8::/32", "documentation (RFC 3849)"},
		{"3fff::/20", "documentation (RFC 9637)"},
		{"fc00::/7", "unique-local (RFC 4193)"},
		{"fe80::/10", "link-local (RFC 4291)"},
		{"fec0::/10", "site-local (RFC 3879)"},
		{"ff00::/8", "multicast (RFC 4291)"},
	}
}

// MetadataAddr reports whether addr is where a cloud answers its machines with
// their credentials, and which cloud. Such an address is to be refused even to a
// host that may otherwise be private. Those embedded in IPv6 count too.
//
//   - AWS: 169.254.169.254 and fd00:ec2::254 for EC2, 169.254.170.2 for ECS
//     tasks, 169.254.170.23 and fd00:ec2::23 for EKS pods
//     (docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html,
//     docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html,
//     docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html)
//   - Google: 169.254.169.254 and fd20:ce::254
//     (docs.cloud.google.com/compute/docs/metadata/querying-metadata)
//   - Azure: 169.254.169.254 and, its wire server, 168.63.129.16
//     (learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16)
//   - Alibaba Cloud: 100.100.100.200
//     (www.alibabacloud.com/help/en/ecs/user-guide/view-instance-metadata)
//   - Oracle, before its v2 service: 192.0.0.192
//   - Scaleway: 169.254.42.42 and fd00:42::42
//     (www.scaleway.com/en/docs/instances/how-to/use-boot-modes)
//   - Tencent Cloud: 169.254.0.23
//     (www.tencentcloud.com/document/product/213/4934)
func MetadataAddr(addr netip.Addr) (provider string, ok bool) {
	inner, _ := embeddedIPv4(addr.WithZone(""))
	switch inner.String() {
	case "169.254.169.254":
		return "AWS, Google, Azure and others", true
	case "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23":
		return "AWS", true
	case "fd20:ce::254":
		return "Google", true
	case "168.63.129.16":
		return "Azure (wire server)", true
	case "100.100.100.200":
		return "Alibaba Cloud", true
	case "192.0.0.192":
		return "Oracle", true
	case "169.254.42.42", "fd00:42::42":
		return "Scaleway", true
	case "169.254.0.23":
		return "Tencent Cloud", true
	}
	return "", false
}
