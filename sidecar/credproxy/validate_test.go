package credproxy_test

import (
	"strings"
	"testing"

	"github.com/bottle-run/bottle/sidecar/credproxy"
)

func TestValidateTakes(t *testing.T) {
	for _, r := range []credproxy.Route{
		{Path: "/", Upstream: "https://example.com"},
		{Path: "/a/b/", Upstream: "https://EXAMPLE.com:443/base/path/"},
		{Path: "/a/", Upstream: "https://bücher.example:8443"},
		{Path: "/a/", Upstream: "http://svc:8080", PlainHTTP: true},
		{Path: "/a/", Upstream: "http://10.213.0.4:8080/", PlainHTTP: true},
		{Path: "/a/", Upstream: "https://[2001:db8::1]:8443"},
		{Path: "/a/", Upstream: "https://x", Methods: []string{"GET", "PROPFIND"}, Paths: []string{"/**", "/a b"}},
		{Path: "/a/", Upstream: "https://x", Auth: &credproxy.Auth{Scheme: "header", Header: "X-Key", Secret: "s"}},
		{Path: "/a/", Upstream: "https://x", Auth: &credproxy.Auth{Scheme: "sigv4", Secret: "s", AccessKey: "k", SessionToken: "t", Region: "eu-central-1", Service: "s3"}},
		{Path: "/a/", Upstream: "https://x", Protocol: "graphql", Operations: []string{"query.viewer", "mutation.*"}, Push: &credproxy.Push{Refs: []string{"refs/heads/agent/*"}, Protect: []string{".github/workflows/**"}}},
		{Path: "/a/", Upstream: "https://x", Protocol: "jsonrpc", Operations: []string{"tools/call"}, Rate: &credproxy.Rate{Requests: 60, Seconds: 60}, For: 600, Uses: 5, MaxBytes: 1 << 40, MaxRequests: 1},
	} {
		c := credproxy.Config{Listen: ":0", Routes: []credproxy.Route{r}}
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestValidateRefuses(t *testing.T) {
	const up = "https://x"
	auth := func(scheme, user, header string) *credproxy.Auth {
		return &credproxy.Auth{Scheme: scheme, User: user, Header: header, Secret: "s"}
	}
	for _, test := range []struct {
		r    credproxy.Route
		want string
	}{
		{credproxy.Route{Path: "", Upstream: up}, "does not begin with a slash"},
		{credproxy.Route{Path: "a/", Upstream: up}, "does not begin with a slash"},
		{credproxy.Route{Path: "/a", Upstream: up}, `write "/a/"`},
		{credproxy.Route{Path: "/a//", Upstream: up}, "empty segment"},
		{credproxy.Route{Path: "/../a/", Upstream: up}, `".."`},
		{credproxy.Route{Path: "/%61/", Upstream: up}, `write "/a/"`},
		{credproxy.Route{Path: "/ü/", Upstream: up}, `write "/%C3%BC/"`},
		{credproxy.Route{Path: "/*/", Upstream: up}, "plain prefix"},
		{credproxy.Route{Path: "/a;b/", Upstream: up}, "plain prefix"},
		{credproxy.Route{Path: "/a/", Upstream: ""}, "is not a URL"},
		{credproxy.Route{Path: "/a/", Upstream: "example.com"}, "is not a URL"},
		{credproxy.Route{Path: "/a/", Upstream: "http://example.com"}, "in the clear"},
		{credproxy.Route{Path: "/a/", Upstream: "http://example.com", PlainHTTP: true}, "not inside the launch"},
		{credproxy.Route{Path: "/a/", Upstream: "http://8.8.8.8", PlainHTTP: true}, "not inside the launch"},
		{credproxy.Route{Path: "/a/", Upstream: "http://169.254.169.254", PlainHTTP: true}, "not inside the launch"},
		{credproxy.Route{Path: "/a/", Upstream: "ftp://example.com"}, "neither https nor http"},
		{credproxy.Route{Path: "/a/", Upstream: "https://user:hunter2@example.com"}, "has a user in it"},
		{credproxy.Route{Path: "/a/", Upstream: "https://example.com/?q"}, "query or a fragment"},
		{credproxy.Route{Path: "/a/", Upstream: "https://example.com/?"}, "query or a fragment"},
		{credproxy.Route{Path: "/a/", Upstream: "https://example.com/#"}, "query or a fragment"},
		{credproxy.Route{Path: "/a/", Upstream: "https://example.com:"}, "port"},
		{credproxy.Route{Path: "/a/", Upstream: "https://example.com:0"}, "port"},
		{credproxy.Route{Path: "/a/", Upstream: "https://example.com:99999"}, "port"},
		{credproxy.Route{Path: "/a/", Upstream: "https://127.1"}, "is an address"},
		{credproxy.Route{Path: "/a/", Upstream: "https://*.example.com"}, "character"},
		{credproxy.Route{Path: "/a/", Upstream: "https://example.com/../x"}, `".."`},
		{credproxy.Route{Path: "/a/", Upstream: "https://example.com/a%2fb"}, "escaped slash"},
		{credproxy.Route{Path: "/a/", Upstream: up, Methods: []string{"get"}}, "upper case"},
		{credproxy.Route{Path: "/a/", Upstream: up, Methods: []string{"GET POST"}}, "upper case"},
		{credproxy.Route{Path: "/a/", Upstream: up, Methods: []string{"TRACE"}}, "cannot be allowed"},
		{credproxy.Route{Path: "/a/", Upstream: up, Paths: []string{"v1"}}, "begin with a slash"},
		{credproxy.Route{Path: "/a/", Upstream: up, Paths: []string{"/v**"}}, "whole segments"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: auth("", "", "")}, "none of bearer"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: auth("Bearer", "", "")}, "none of bearer"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: auth("basic", "", "")}, "needs a user name: basic"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: auth("basic", "a:b", "")}, "has no colon"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: auth("bearer", "u", "")}, "has a user name, which it does not take"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: auth("token", "", "X")}, "has the name of a header, which it does not take"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: auth("header", "", "")}, "needs the name of a header"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: auth("header", "", "A: b")}, "is not a header"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: auth("header", "", "host")}, "is not a header"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: auth("header", "", "Proxy-Authorization")}, "is not a header"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: auth("header", "", "X-Forwarded-For")}, "is not a header"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: &credproxy.Auth{Scheme: "bearer"}}, "names no secret"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: &credproxy.Auth{Scheme: "bearer", Secret: "proxy-token"}}, "names no secret"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: &credproxy.Auth{Scheme: "bearer", Secret: "agent:a"}}, "names no secret"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: auth("query", "", "")}, "needs the name of a parameter"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: &credproxy.Auth{Scheme: "query", Secret: "s", Query: "a&b"}}, "is not the name of a parameter"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: &credproxy.Auth{Scheme: "sigv4", Secret: "s", Service: "s3", AccessKey: "k"}}, "needs a region"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: &credproxy.Auth{Scheme: "sigv4", Secret: "s", Service: "s3", Region: "a/b", AccessKey: "k"}}, "is no region"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: &credproxy.Auth{Scheme: "registry", Secret: "s", User: "u"}}, "needs the URL"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: &credproxy.Auth{Scheme: "registry", Secret: "s", User: "u", Realm: "http://x"}}, "is not an https URL"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: &credproxy.Auth{Scheme: "registry", Secret: "s", User: "u", Realm: "https://user:hunter2@x"}}, "has a user in it"},
		{credproxy.Route{Path: "/~a/", Upstream: up}, "begins with \"~\""},
		{credproxy.Route{Path: "/a/", Upstream: up, Protocol: "soap", Operations: []string{"x"}}, "neither graphql nor jsonrpc"},
		{credproxy.Route{Path: "/a/", Upstream: up, Protocol: "graphql"}, "there are none"},
		{credproxy.Route{Path: "/a/", Upstream: up, Operations: []string{"x"}}, "need a protocol"},
		{credproxy.Route{Path: "/a/", Upstream: up, Protocol: "graphql", Operations: []string{"viewer"}}, "is not one of GraphQL"},
		{credproxy.Route{Path: "/a/", Upstream: up, Protocol: "jsonrpc", Operations: []string{""}}, "is not the name"},
		{credproxy.Route{Path: "/a/", Upstream: up, Push: &credproxy.Push{}}, "push needs refs"},
		{credproxy.Route{Path: "/a/", Upstream: up, Push: &credproxy.Push{Refs: []string{"main"}}}, "is not a glob of refs"},
		{credproxy.Route{Path: "/a/", Upstream: up, Push: &credproxy.Push{Refs: []string{"refs/x"}, Protect: []string{"/a"}}}, "begins with a slash"},
		{credproxy.Route{Path: "/a/", Upstream: up, MaxRequests: -1}, "max_requests is -1"},
		{credproxy.Route{Path: "/a/", Upstream: up, For: 1 << 40}, "longer than a year"},
		{credproxy.Route{Path: "/a/", Upstream: up, Rate: &credproxy.Rate{Requests: 1}}, "rate is 1 requests in 0 seconds"},
	} {
		test.r.Pos = "launch.star:3:5"
		c := credproxy.Config{Listen: ":0", Routes: []credproxy.Route{test.r}}
		err := c.Validate()
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "launch.star:3:5: route ") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%+v: %v, want %q", test.r, err, test.want)
		}
	}
	for _, test := range []struct {
		c    credproxy.Config
		want string
	}{
		{credproxy.Config{Listen: ":0"}, "no routes"},
		{credproxy.Config{Listen: "9099"}, `write ":9099"`},
		{credproxy.Config{Listen: ":x"}, `write ":9099"`},
		{credproxy.Config{Listen: ":0", Proxy: "pipelock:8888"}, "not the URL of a gate"},
		{credproxy.Config{Listen: ":0", Proxy: "https://pipelock:8888"}, "not the URL of a gate"},
		{credproxy.Config{Listen: ":0", Proxy: "http://u:p@pipelock:8888"}, "not the URL of a gate"},
		{credproxy.Config{Listen: ":0", Proxy: "http://pipelock"}, "not the URL of a gate"},
		{credproxy.Config{Listen: ":0", Routes: []credproxy.Route{{Path: "/a/", Upstream: up, Pos: "l:1:1"}, {Path: "/A/", Upstream: up, Pos: "l:2:1"}}}, `l:2:1: route "/A/": its path is that of the route at l:1:1 (/a/)`},
	} {
		if err := test.c.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %q", test.c, err, test.want)
		}
	}
	for want, c := range map[string]credproxy.Config{
		`agent "": it needs a name`:              {Agents: []credproxy.Agent{{}}},
		`agent "a b": it needs a name`:           {Agents: []credproxy.Agent{{Name: "a b"}}},
		`agent "a": there are two`:               {Agents: []credproxy.Agent{{Name: "a"}, {Name: "a"}}},
		`agent "a": there is no route "/b/"`:     {Agents: []credproxy.Agent{{Name: "a", Routes: []string{"/a/", "/b/"}}}},
		`agent "cred-proxy": that is the name`:   {Agents: []credproxy.Agent{{Name: "cred-proxy"}}},
		"trust: reading CA certificates: no PEM": {Trust: "x"},
	} {
		c.Listen, c.Routes = ":0", []credproxy.Route{{Path: "/a/", Upstream: up}}
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	// All that is wrong, at once.
	c := credproxy.Config{Routes: []credproxy.Route{{Path: "a", Upstream: "b"}, {Path: "c", Upstream: "d"}}}
	if n := strings.Count(c.Validate().Error(), "\n"); n != 4 {
		t.Errorf("%d lines: %v", n+1, c.Validate())
	}
}
