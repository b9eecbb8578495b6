package sidecar_test

import (
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/sidecar"
)

func TestCanonicalPath(t *testing.T) {
	for in, want := range map[string]string{
		"/":                           "/",
		"/v1/messages":                "/v1/messages",
		"/v1/":                        "/v1/",
		"/%76%31/%6d":                 "/v1/m",
		"/a%20b":                      "/a%20b",
		"/a b":                        "/a%20b",
		"/ü":                          "/%C3%BC",
		"/%c3%bc":                     "/%C3%BC",
		"/%7Euser":                    "/~user",
		"/x:generate":                 "/x:generate",
		"/x%3agenerate":               "/x%3Agenerate",
		"/a;v=1/b":                    "/a;v=1/b",
		"/@scope/name":                "/@scope/name",
		"/100%25":                     "/100%25",
		"/100%2525":                   "/100%2525",
		"/...":                        "/...",
		"/.git/config":                "/.git/config",
		"/a..b/c.":                    "/a..b/c.",
		`/{"a"}|^<>`:                  "/%7B%22a%22%7D%7C%5E%3C%3E",
		"/#frag?x":                    "/%23frag%3Fx",
		"/%E2%82%AC":                  "/%E2%82%AC",
		"/!$&'()*+,;=:@-._~":          "/!$&'()*+,;=:@-._~",
		"/[a]":                        "/%5Ba%5D",
		"/" + strings.Repeat("a", 99): "/" + strings.Repeat("a", 99),
	} {
		if got, err := sidecar.CanonicalPath(in); got != want || err != nil {
			t.Errorf("CanonicalPath(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
}

// THREATS 20: what two programs may take for two paths.
func TestCanonicalPathRefuses(t *testing.T) {
	for _, in := range []string{
		"", "a", "*", "http://x/", "//", "//host/x", "/a//b", "/a//", "/.", "/..", "/a/.", "/a/..", "/a/../b", "/a/./b",
		"/%2e%2e/b", "/.%2e/b", "/%2E./b", "/%2e/b", "/%252e%252e/b", "/%25252e%25252e/b", "/%2525252525252e/b", "/a%2fb", "/a%2Fb", "/a%252fb", "/a%25252Fb",
		`/a\b`, `/..\b`, "/a%5cb", "/a%5Cb", "/a%255cb", "/%00", "/a%00b", "/a%2500", "/a\x00", "/a\nb", "/a%0d%0ab", "/a%250ab", "/a\x7f", "/%7f", "/a\tb",
		"/..;/b", "/..;x=y/b", "/%2e%2e;/b", "/..%3b/b", "/..%3Bx/b", "/%252e%252e%253b/b", "/.;/b", "/;/b", "/a/;x/b", "/%3b/b", "/a/;",
		"/a%", "/a%2", "/a%zz", "/%u002e", "/a%%", "/%c0%ae%c0%ae/b", "/%ff", "/\xff", "/%ed%a0%80", "/a/%20/b", "/.. /b", "/..%20/b",
		"/%252e%252e%25zz/../x", "/%252e%252e;%25zz/x", "/a%252f%25zz",
	} {
		if got, err := sidecar.CanonicalPath(in); err == nil {
			t.Errorf("CanonicalPath(%q) = %q", in, got)
		}
	}
}

// A canonical path is a fixed point, survives net/url, is what path.Clean makes
// of it, and stays all that however often it is decoded.
func FuzzCanonicalPath(f *testing.F) {
	for _, seed := range []string{
		"/v1/messages", "/%76", "/..;/b", "/%252e%252e/", "/a%2fb", "/a b", "/ü", "//", "/a;b", `/\`, "/%25%32%65", "/%%32e", "/100%25", "/%253b", "/.%252e;%25zz/x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := sidecar.CanonicalPath(raw)
		if err != nil {
			return
		}
		if again, err := sidecar.CanonicalPath(got); again != got || err != nil {
			t.Fatalf("%q -> %q -> %q, %v", raw, got, again, err)
		}
		u, err := url.ParseRequestURI(got)
		if err != nil || u.EscapedPath() != got || u.RawQuery != "" || u.Host != "" {
			t.Fatalf("%q -> %q is %v, %v to net/url", raw, got, u, err)
		}
		decoded := got
		for range 6 {
			if path.Clean(decoded) != strings.TrimSuffix(decoded, "/") && decoded != "/" {
				t.Fatalf("%q -> %q decodes to %q", raw, got, decoded)
			}
			if strings.ContainsAny(decoded, "\\\x00\n\r") || strings.Count(decoded, "/") != strings.Count(got, "/") {
				t.Fatalf("%q -> %q decodes to %q", raw, got, decoded)
			}
			next, err := url.PathUnescape(decoded)
			if err != nil || next == decoded {
				break
			}
			decoded = next
		}
	})
}

func TestMatchPath(t *testing.T) {
	for _, test := range []struct {
		glob, path string
		want       bool
	}{
		{"/v1/messages", "/v1/messages", true},
		{"/v1/messages", "/v1/messages/", false},
		{"/v1/messages", "/v1/messagesx", false},
		{"/repos/*/pulls", "/repos/x/pulls", true},
		{"/repos/*/pulls", "/repos/x/y/pulls", false},
		{"/repos/*/pulls", "/repos/pulls", false},
		{"/v1/*", "/v1/", false},
		{"/v1/*", "/v1/a", true},
		{"/v1/*", "/v1/a/", false},
		{"/v1/**", "/v1", true},
		{"/v1/**", "/v1/", true},
		{"/v1/**", "/v1/a/b/c", true},
		{"/v1/**", "/v2/a", false},
		{"/v1/**", "/v1x", false},
		{"/**", "/", true},
		{"/**", "/a/b", true},
		{"/**/x", "/x", true},
		{"/**/x", "/a/b/x", true},
		{"/**/x", "/a/b/xy", false},
		{"/a/**/b/**/c", "/a/b/c", true},
		{"/a/**/b/**/c", "/a/1/b/2/3/c", true},
		{"/a/**/b/**/c", "/a/1/2/3/c", false},
		{"/models/*:generate", "/models/gemini:generate", true},
		{"/models/*:generate", "/models/gemini:count", false},
		{"/x*y*z", "/xyz", true},
		{"/x*y*z", "/x1y2y3z", true},
		{"/x*y*z", "/x1y2y3", false},
		{"/*", "/", false},
		{"/", "/", true},
		{"/", "/a", false},
	} {
		if got := sidecar.MatchPath(test.glob, test.path); got != test.want {
			t.Errorf("MatchPath(%q, %q) = %t", test.glob, test.path, got)
		}
	}
}

func TestCanonicalGlob(t *testing.T) {
	for in, want := range map[string]string{
		"/v1/**": "/v1/**", "/%76/*": "/v/*", "/a b": "/a%20b",
		"v1": "", "/a**": "", "/**b/c": "", "/***": "", "/../x": "", "/a//b": "", "": "", "/a?b": "/a%3Fb",
	} {
		if got, err := sidecar.CanonicalGlob(in); got != want || (err == nil) != (want != "") {
			t.Errorf("CanonicalGlob(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
}

// MatchPath says what the obvious recursion says.
func FuzzMatchPath(f *testing.F) {
	f.Add("/a/**/b", "/a/x/b")
	f.Add("/x*y*z", "/xaybz")
	f.Add("/**/*/**", "/a")
	f.Fuzz(func(t *testing.T, glob, p string) {
		if len(glob) > 24 || len(p) > 24 || strings.Count(glob, "*") > 6 {
			return // the obvious recursion is exponential
		}
		want := slowMatch(strings.Split(glob, "/"), strings.Split(p, "/"))
		if got := sidecar.MatchPath(glob, p); got != want {
			t.Errorf("MatchPath(%q, %q) = %t", glob, p, got)
		}
	})
}

func slowMatch(glob, segments []string) bool {
	if len(glob) == 0 {
		return len(segments) == 0
	}
	if glob[0] == "**" {
		return slowMatch(glob[1:], segments) || len(segments) > 0 && slowMatch(glob, segments[1:])
	}
	return len(segments) > 0 && slowSegment(glob[0], segments[0]) && (glob[0] != "*" || segments[0] != "") &&
		slowMatch(glob[1:], segments[1:])
}

func slowSegment(glob, s string) bool {
	if glob == "" {
		return s == ""
	}
	if glob[0] == '*' {
		return slowSegment(glob[1:], s) || s != "" && slowSegment(glob, s[1:])
	}
	return s != "" && glob[0] == s[0] && slowSegment(glob[1:], s[1:])
}

// A pattern of many stars takes no time worth attacking.
func BenchmarkMatchPath(b *testing.B) {
	glob, p := strings.Repeat("/**/*a*", 50)+"/b", strings.Repeat("/aaaa", 500)
	for b.Loop() {
		sidecar.MatchPath(glob, p)
	}
}
