package sidecar

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/net/idna"
)

// The lengths of RFC 1035 section 2.3.4, in the form without the trailing dot.
const (
	maxName  = 253
	maxLabel = 63
)

// ErrAddress is in the chain of what CanonicalHost returns for an IP address.
var ErrAddress = errors.New("is an address, not a name")

// CanonicalHost returns the one spelling of the host name s that is compared,
// looked up and put into certificates: lower case, without a trailing dot,
// internationalised labels as A-labels (IDNA 2008, lookup profile). It refuses
// all that is more than a name (port, userinfo, brackets, zone), and addresses
// in every spelling that some program takes for one, with ErrAddress.
//
// Underscores are let through, as public certificates let them be.
func CanonicalHost(s string) (string, error) {
	// Quoted and shortened: s comes from a client and goes into a log.
	bad := func(why string) (string, error) { return "", fmt.Errorf("host %q %s", shorten(s), why) }
	if _, ok := ParseAddr(s); ok {
		return "", fmt.Errorf("host %q %w", shorten(s), ErrAddress)
	}
	if len(s) > 4*maxName { // before anything costs time
		return bad("is too long")
	}
	name := strings.TrimSuffix(s, ".")
	if name == "" {
		return bad("is empty")
	}
	if i := strings.IndexFunc(name, isForbidden); i >= 0 {
		return bad(fmt.Sprintf("has the character %q, which no name has: write the name alone, without scheme, port or path", name[i]))
	}
	name = strings.ToLower(name)
	if !isASCII(name) || strings.HasPrefix(name, "xn--") || strings.Contains(name, ".xn--") {
		// Not for plain names: the profile refuses r3---sn-x.example, which is real.
		mapped, err := idna.Lookup.ToASCII(name)
		if err != nil {
			return bad("is not an internationalised domain name: " + err.Error())
		}
		// Full-width digits and dots became ASCII; the dots of an address too.
		if _, ok := ParseAddr(mapped); ok {
			return "", fmt.Errorf("host %q %w", shorten(s), ErrAddress)
		}
		name = strings.TrimSuffix(mapped, ".")
	}
	if len(name) > maxName {
		return bad("is too long")
	}
	for label := range strings.SplitSeq(name, ".") {
		if why := badLabel(label); why != "" {
			return bad(why)
		}
	}
	if last := name[strings.LastIndexByte(name, '.')+1:]; isNumber(last) {
		// 256.1.1.1, 1.2.3.4.5, 0x: WHATWG's rule "ends in a number".
		return "", fmt.Errorf("host %q ends in a number: it %w, and not a good one", shorten(s), ErrAddress)
	}
	return name, nil
}

// CanonicalPattern returns the canonical form of a host pattern: a name, or "*."
// and a name.
func CanonicalPattern(s string) (string, error) {
	parent, wild := strings.CutPrefix(s, "*.")
	host, err := CanonicalHost(parent)
	if err != nil {
		return "", err
	}
	if wild {
		return "*." + host, nil
	}
	return host, nil
}

// MatchHost reports whether host is what pattern names: itself, or for "*.name"
// any name below it, at any depth, but not name itself. Both are canonical.
func MatchHost(pattern, host string) bool {
	parent, wild := strings.CutPrefix(pattern, "*")
	if !wild {
		return pattern != "" && pattern == host
	}
	return len(parent) > 1 && parent[0] == '.' && len(host) > len(parent) && strings.HasSuffix(host, parent)
}

// isForbidden reports whether no host name, before IDNA, has r. What is left of
// ASCII are letters, digits, hyphen, underscore and dot.
func isForbidden(r rune) bool {
	switch {
	case r >= 0x80:
		return r == '\uFFFD' // also what invalid UTF-8 decodes to
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	default:
		return r != '-' && r != '_' && r != '.'
	}
}

// badLabel says what is wrong with a label that is in ASCII.
func badLabel(label string) string {
	switch {
	case label == "":
		return "has an empty label"
	case len(label) > maxLabel:
		return "has a label that is too long"
	case label[0] == '-' || label[len(label)-1] == '-':
		return "has a label that begins or ends with a hyphen"
	case strings.IndexFunc(label, isForbidden) >= 0:
		return "has a character that no name has"
	}
	return ""
}

// isNumber reports whether some resolver may read label as a part of an address.
func isNumber(label string) bool {
	if rest, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(rest, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
