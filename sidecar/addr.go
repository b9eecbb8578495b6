package sidecar

import (
	"net/netip"
	"strconv"
	"strings"
)

// ParseAddr reads an IP address in every spelling that programs accept for one:
// the usual forms, with or without brackets and zone, and those of inet_aton(3),
// one to four parts in decimal, octal (017) or hexadecimal (0x1f), of which the
// last fills what is left, "127.1" and "2130706433". One trailing dot is
// ignored. The result has no zone, and an IPv4-mapped address stays one.
func ParseAddr(s string) (netip.Addr, bool) {
	s = strings.TrimSuffix(s, ".")
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if inner, ok = strings.CutSuffix(inner, "]"); ok {
			s = inner
		}
	}
	if strings.Contains(s, ":") {
		host, _, _ := strings.Cut(s, "%")
		addr, err := netip.ParseAddr(host)
		return addr, err == nil
	}
	return parseIPv4(s)
}

// parseIPv4 is inet_aton.
func parseIPv4(s string) (netip.Addr, bool) {
	if len(s) > 64 { // zeros may pad the parts, but nobody does that
		return netip.Addr{}, false
	}
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var value uint64
	for i, part := range parts {
		n, ok := parsePart(part)
		if !ok {
			return netip.Addr{}, false
		}
		bits := 8
		if i == len(parts)-1 {
			bits = 8 * (5 - len(parts))
		}
		if n >= 1<<bits {
			return netip.Addr{}, false
		}
		value = value<<bits | n
	}
	return netip.AddrFrom4([4]byte{byte(value >> 24), byte(value >> 16), byte(value >> 8), byte(value)}), true
}

func parsePart(s string) (uint64, bool) {
	base := 10
	switch {
	case strings.HasPrefix(s, "0x"), strings.HasPrefix(s, "0X"):
		s, base = s[2:], 16
		if s == "" {
			return 0, true // "0x" is zero to glibc and to browsers
		}
	case len(s) > 1 && s[0] == '0':
		s, base = s[1:], 8
	}
	n, err := strconv.ParseUint(s, base, 33)
	// ParseUint takes no sign, and no underscore when the base is given.
	return n, err == nil
}
