package pipelock_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/pipelock"
)

func rules() pipelock.Config {
	return pipelock.Config{
		Listen: ":0", DNS: ":0", DLP: "block",
		Allow: []pipelock.Rule{
			{Host: "example.com"},
			{Host: "*.wild.example"},
			{Host: "ports.example", Ports: []int{8443}},
			{Host: "read.example", Methods: []string{"GET", "HEAD"}},
			{Host: "paths.example", Paths: []string{"/v1/*", "/pub/**"}},
			{Host: "two.example", Methods: []string{"GET"}},
			{Host: "two.example", Methods: []string{"POST"}, Paths: []string{"/in"}},
			{Host: "big.example", MaxBody: 10},
			{Host: "half.example"},
		},
		Deny: []pipelock.Rule{
			{Host: "bad.wild.example"},
			{Host: "half.example", Paths: []string{"/admin/**"}},
			{Host: "half.example", Methods: []string{"DELETE"}},
			{Host: "example.com", Ports: []int{80}},
		},
		Upstreams: []pipelock.Rule{{Host: "api.example"}, {Host: "bad.wild.example"}},
		Sidecars:  []string{"cred-proxy:9099", "mcp"},
	}
}

func TestDecide(t *testing.T) {
	const agent, cred = sidecar.ClientAgent, sidecar.ClientCredProxy
	unreadable := errors.New("unreadable")
	for _, c := range []struct {
		pipelock.Ask
		want string // a part of the refusal
	}{
		{pipelock.Ask{agent, "https", "example.com", 443, "GET", "/", nil, false}, ""},
		{pipelock.Ask{agent, "https", "EXAMPLE.com.", 443, "GET", "/", nil, false}, ""},
		{pipelock.Ask{agent, "https", "www.example.com", 443, "GET", "/", nil, false}, "not an allowed host"},
		{pipelock.Ask{agent, "https", "example.com.evil.example", 443, "GET", "/", nil, false}, "not an allowed host"},
		{pipelock.Ask{agent, "https", "notexample.com", 443, "GET", "/", nil, false}, "not an allowed host"},
		{pipelock.Ask{agent, "https", "example.com:8443", 443, "GET", "/", nil, false}, "port 8443"},
		{pipelock.Ask{agent, "http", "example.com", 80, "GET", "/", nil, false}, "denied by the script"},
		{pipelock.Ask{agent, "https", "a.wild.example", 443, "GET", "/", nil, false}, ""},
		{pipelock.Ask{agent, "https", "a.b.wild.example", 443, "GET", "/", nil, false}, ""},
		{pipelock.Ask{agent, "https", "wild.example", 443, "GET", "/", nil, false}, "not an allowed host"},
		{pipelock.Ask{agent, "https", "bad.wild.example", 443, "GET", "/", nil, false}, "denied"},
		{pipelock.Ask{agent, "tcp", "bad.wild.example:443", 0, "", "", nil, false}, "denied"},
		{pipelock.Ask{agent, "https", "ports.example:8443", 443, "GET", "/", nil, false}, ""},
		{pipelock.Ask{agent, "https", "ports.example", 443, "GET", "/", nil, false}, "port 443"},
		{pipelock.Ask{agent, "tcp", "ports.example:443", 0, "", "", nil, false}, "port 443"},
		{pipelock.Ask{agent, "tcp", "read.example:443", 0, "", "", nil, false}, ""},
		{pipelock.Ask{agent, "tcp", "read.example:443", 0, "", "", nil, true}, "unread"},
		{pipelock.Ask{agent, "tcp", "paths.example:443", 0, "", "", nil, true}, "unread"},
		{pipelock.Ask{agent, "tcp", "big.example:443", 0, "", "", nil, true}, "unread"},
		{pipelock.Ask{agent, "tcp", "half.example:443", 0, "", "", nil, true}, "denied"},
		{pipelock.Ask{agent, "tcp", "half.example:443", 0, "", "", nil, false}, ""},
		{pipelock.Ask{agent, "tcp", "example.com:443", 0, "", "", nil, true}, ""},
		{pipelock.Ask{agent, "https", "read.example", 443, "GET", "/", nil, false}, ""},
		{pipelock.Ask{agent, "https", "read.example", 443, "POST", "/", nil, false}, "method POST"},
		{pipelock.Ask{agent, "https", "read.example", 443, "get", "/", nil, false}, "method get"},
		{pipelock.Ask{agent, "https", "paths.example", 443, "GET", "/v1/a", nil, false}, ""},
		{pipelock.Ask{agent, "https", "paths.example", 443, "GET", "/v1/a/b", nil, false}, "path"},
		{pipelock.Ask{agent, "https", "paths.example", 443, "GET", "/pub/a/b", nil, false}, ""},
		{pipelock.Ask{agent, "https", "paths.example", 443, "GET", "", unreadable, false}, "unreadable"},
		{pipelock.Ask{agent, "https", "example.com", 443, "GET", "", unreadable, false}, ""},
		{pipelock.Ask{agent, "https", "two.example", 443, "GET", "/x", nil, false}, ""},
		{pipelock.Ask{agent, "https", "two.example", 443, "POST", "/in", nil, false}, ""},
		{pipelock.Ask{agent, "https", "two.example", 443, "POST", "/x", nil, false}, "path"},
		{pipelock.Ask{agent, "https", "half.example", 443, "GET", "/a", nil, false}, ""},
		{pipelock.Ask{agent, "https", "half.example", 443, "GET", "/admin/x", nil, false}, "denied"},
		{pipelock.Ask{agent, "https", "half.example", 443, "GET", "", unreadable, false}, "denied"},
		{pipelock.Ask{agent, "https", "half.example", 443, "DELETE", "/a", nil, false}, "denied"},
		{pipelock.Ask{agent, "http", "cred-proxy:9099", 80, "GET", "/", nil, false}, ""},
		{pipelock.Ask{agent, "http", "cred-proxy", 80, "GET", "/", nil, false}, "not an allowed host"},
		{pipelock.Ask{agent, "https", "cred-proxy:9099", 443, "GET", "/", nil, false}, "not an allowed host"},
		{pipelock.Ask{agent, "tcp", "cred-proxy:9099", 0, "", "", nil, false}, "not an allowed host"},
		{pipelock.Ask{agent, "http", "mcp:1234", 80, "GET", "/", nil, false}, ""},
		{pipelock.Ask{agent, "https", "api.example", 443, "GET", "/", nil, false}, "not an allowed host"},
		{pipelock.Ask{cred, "https", "api.example", 443, "GET", "/", nil, false}, ""},
		{pipelock.Ask{cred, "https", "example.com", 443, "GET", "/", nil, false}, "not an allowed host"},
		{pipelock.Ask{cred, "https", "bad.wild.example", 443, "GET", "/", nil, false}, "denied"},
		{pipelock.Ask{cred, "http", "mcp", 80, "GET", "/", nil, false}, "not an allowed host"},
	} {
		got, err := pipelock.Decide(rules(), c.Ask)
		if err != nil {
			t.Fatal(err)
		}
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.Ask, got, c.want)
		}
	}
}

// THREATS 9: no address, however it is spelled, is a host.
func TestTargetRefuses(t *testing.T) {
	for _, a := range []string{
		"127.0.0.1", "127.1", "2130706433", "0x7f000001", "0X7F.1", "0177.0.0.1", "127.0.0.1.", "0", "[127.0.0.1]",
		"::1", "[::1]", "[::1]:443", "[::ffff:127.0.0.1]:443", "[fe80::1%25eth0]:443", "169.254.169.254", "0xa9fea9fe", "１２７.０.０.１", "127。0。0。1",
		"93.184.216.34", "", ":443", "example.com:", "example.com:0", "example.com:65536", "example.com:+443", "example.com:0443", "example.com:https",
		"a:b:c", "user@example.com", "example.com/x", "*.example.com", "exa mple.com", "example.com\x00.evil.example",
	} {
		if host, port, err := pipelock.Target(a); err == nil {
			t.Errorf("%q is %s port %d", a, host, port)
		}
		if host, port, err := pipelock.Target(a + ":443"); err == nil {
			t.Errorf("%q is %s port %d", a+":443", host, port)
		}
	}
	if host, port, err := pipelock.Target("EXAMPLE.com.:8443"); host != "example.com" || port != 8443 || err != nil {
		t.Error(host, port, err)
	}
}

// Whatever is let through by name is a name that a rule names.
func FuzzDecide(f *testing.F) {
	for _, s := range []string{"example.com", "example.com:443", "127.1", "[::1]:443", "a.wild.example", "wild.example", "bad.wild.example.", "ａ.wild.example"} {
		f.Add(s, "GET", "/v1/a")
	}
	f.Fuzz(func(t *testing.T, authority, method, path string) {
		p, pathErr := sidecar.CanonicalPath(path)
		reason, err := pipelock.Decide(rules(), pipelock.Ask{Client: sidecar.ClientAgent, Scheme: "https", Authority: authority, Port: 443, Method: method, Path: p, PathErr: pathErr})
		if err != nil {
			t.Fatal(err)
		}
		if reason != "" {
			return
		}
		host, port, err := pipelock.Target(authority)
		if err != nil {
			t.Fatalf("%q is allowed and no target: %v", authority, err)
		}
		if again, err := sidecar.CanonicalHost(host); err != nil || again != host {
			t.Errorf("%q is allowed as %q, which is not canonical", authority, host)
		}
		if _, address := sidecar.ParseAddr(host); address {
			t.Errorf("%q is allowed, an address", authority)
		}
		if host == "bad.wild.example" || port != 443 && (port != 80 || host == "example.com") && (host != "ports.example" || port != 8443) {
			t.Errorf("%q is allowed", authority)
		}
		for _, r := range rules().Allow {
			if sidecar.MatchHost(r.Host, host) {
				return
			}
		}
		t.Errorf("%q is allowed, and no rule names it", authority)
	})
}
