package sidecar_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/sidecar"
)

func TestCanonicalHost(t *testing.T) {
	for in, want := range map[string]string{
		"example.com":                  "example.com",
		"EXAMPLE.com.":                 "example.com",
		"cred-proxy":                   "cred-proxy",
		"my_service":                   "my_service",
		"r3---sn-x.googlevideo.com":    "r3---sn-x.googlevideo.com",
		"bücher.example":               "xn--bcher-kva.example",
		"BÜCHER.example":               "xn--bcher-kva.example",
		"XN--BCHER-KVA.example":        "xn--bcher-kva.example",
		"faß.de":                       "xn--fa-hia.de",
		"例え.テスト":                       "xn--r8jz45g.xn--zckzah",
		"example。com":                  "example.com",
		"ｅｘａｍｐｌｅ.com":                  "example.com",
		"1.2.3.example":                "1.2.3.example",
		"0xab.com":                     "0xab.com",
		"127.0.0.1.nip.io":             "127.0.0.1.nip.io",
		strings.Repeat("a", 63) + ".b": strings.Repeat("a", 63) + ".b",
	} {
		if got, err := sidecar.CanonicalHost(in); got != want || err != nil {
			t.Errorf("CanonicalHost(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
}

// THREATS 10: what is more, or less, than a name.
func TestCanonicalHostRefuses(t *testing.T) {
	for _, in := range []string{
		"", ".", "..", ".example.com", "a..b", "example.com..", "a.。b", "https://x", "x/y", "x:80", "x:", "user@x", "x?y", "x#y", "x y", " x", "x\n", "x\r\nHost: y",
		"x\x00", "x\x00.example.com", "\x7f", "x%2e", "%61.com", "*.x", "*", "x,y", "-x", "x-", "a.-b", "x;y", "x\\y", "[x]", "fe80::1%eth0x:",
		"xn--", "xn--a", "a.xn--zzzzzzz99", "\xff", "a\xc0\xaf", "x\u202ey", "a\u200db.com", "＠.com", "a／b.com", "a：80", "x\u3000y",
		strings.Repeat("a", 64), strings.Repeat("a.", 127) + "aa", strings.Repeat("ü", 1<<16), "!", "$(id)", "x'", `x"`, "{x}", "a=b", "a+b", "a~b",
	} {
		if got, err := sidecar.CanonicalHost(in); err == nil {
			t.Errorf("CanonicalHost(%.40q) = %q", in, got)
		} else if len(err.Error()) > 2000 || strings.ContainsAny(err.Error(), "\n\x00") {
			t.Errorf("CanonicalHost(%.40q): an error that is no short line: %.200q", in, err)
		}
	}
}

// THREATS 9: an address in every spelling is known for one.
func TestCanonicalHostKnowsAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.0.1": "127.0.0.1", "127.1": "127.0.0.1", "127.0.1": "127.0.0.1", "2130706433": "127.0.0.1", "0x7f000001": "127.0.0.1",
		"0X7F.1": "127.0.0.1", "0177.0.0.1": "127.0.0.1", "017700000001": "127.0.0.1", "127.0.0.1.": "127.0.0.1", "0": "0.0.0.0", "0x": "0.0.0.0",
		"[127.0.0.1]": "127.0.0.1", "::1": "::1", "[::1]": "::1", "0:0:0:0:0:0:0:1": "::1", "::ffff:127.0.0.1": "::ffff:127.0.0.1",
		"[::ffff:7f00:1]": "::ffff:127.0.0.1", "fe80::1%eth0": "fe80::1", "[fe80::1%25eth0]": "fe80::1", "169.254.169.254": "169.254.169.254",
		"0xa9fea9fe": "169.254.169.254", "0251.0376.0251.0376": "169.254.169.254", "169.16689662": "169.254.169.254", "4294967295": "255.255.255.255",
		"00000127.1": "87.0.0.1", "１２７.０.０.１": "", "127。0。0。1": "", "①27.0.0.1": "", "256.1.1.1": "", "1.2.3.4.5": "", "4294967296": "", "08": "", "foo.0x7f": "",
		"1.2.3.0x": "1.2.3.0", "example.1": "", "0x7g": "-",
	} {
		_, err := sidecar.CanonicalHost(in)
		if want == "-" {
			if errors.Is(err, sidecar.ErrAddress) {
				t.Errorf("%q is a name: %v", in, err)
			}
			continue
		}
		if !errors.Is(err, sidecar.ErrAddress) {
			t.Errorf("CanonicalHost(%q): %v, want ErrAddress", in, err)
		}
		addr, ok := sidecar.ParseAddr(in)
		if ok != (want != "") || ok && addr.String() != want {
			t.Errorf("ParseAddr(%q) = %v, %t, want %q", in, addr, ok, want)
		}
	}
}

func TestMatchHost(t *testing.T) {
	for _, test := range []struct {
		pattern, host string
		want          bool
	}{
		{"pypi.org", "pypi.org", true},
		{"pypi.org", "www.pypi.org", false},
		{"pypi.org", "evilpypi.org", false},
		{"*.pypi.org", "www.pypi.org", true},
		{"*.pypi.org", "a.b.pypi.org", true},
		{"*.pypi.org", "pypi.org", false},
		{"*.pypi.org", "evilpypi.org", false},
		{"*.pypi.org", ".pypi.org", false},
		{"*.pypi.org", "www.pypi.org.evil.com", false},
		{"*", "x", false},
		{"*.", "x.", false},
		{"*x", "ax", false},
		{"", "", false},
	} {
		if got := sidecar.MatchHost(test.pattern, test.host); got != test.want {
			t.Errorf("MatchHost(%q, %q) = %t", test.pattern, test.host, got)
		}
	}
}

func TestCanonicalPattern(t *testing.T) {
	for in, want := range map[string]string{
		"*.Example.com.": "*.example.com", "x": "x", "*.bücher.example": "*.xn--bcher-kva.example",
		"*": "", "*.": "", "*.*.x": "", "x.*": "", "*x": "", "": "", "*.127.0.0.1": "", "127.1": "",
	} {
		if got, err := sidecar.CanonicalPattern(in); got != want || (err == nil) != (want != "") {
			t.Errorf("CanonicalPattern(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
}

// The canonical form is a fixed point, made of the characters of names only, and
// no address.
func FuzzCanonicalHost(f *testing.F) {
	for _, seed := range []string{
		"example.com", "EXAMPLE.com.", "bücher.example", "xn--bcher-kva.example", "１２７.１", "a。b", "127.1", "[::1]", "x:80", "a_b", "0x7f.1",
		"\u00adx", "K.com", "İ.com", "xn--a-ecp.ru", "ﬀ.com", "a\u200cb", "٠.١", "xn--0-0.0", "1.xn--1-x", "☃.example",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		host, err := sidecar.CanonicalHost(s)
		if err != nil {
			return
		}
		if again, err := sidecar.CanonicalHost(host); again != host || err != nil {
			t.Errorf("%q -> %q -> %q, %v", s, host, again, err)
		}
		if strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" || strings.Contains(host, "..") ||
			strings.HasPrefix(host, ".") || strings.HasSuffix(host, ".") || len(host) > 253 || host == "" {
			t.Errorf("%q -> %q", s, host)
		}
		if addr, ok := sidecar.ParseAddr(host); ok {
			t.Errorf("%q -> %q is the address %v", s, host, addr)
		}
		if sidecar.MatchHost("*."+host, host) || !sidecar.MatchHost("*."+host, "a."+host) || sidecar.MatchHost("*."+host, "a"+host) {
			t.Errorf("*.%s does not match on label borders", host)
		}
	})
}
