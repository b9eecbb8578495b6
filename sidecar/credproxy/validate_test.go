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
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: auth("basic", "", "")}, "needs a user name"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: auth("basic", "a:b", "")}, "needs a user name"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: auth("bearer", "u", "")}, "which only basic has"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: auth("token", "", "X")}, "which only header has"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: auth("header", "", "")}, "is not a header"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: auth("header", "", "A: b")}, "is not a header"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: auth("header", "", "host")}, "is not a header"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: auth("header", "", "Proxy-Authorization")}, "is not a header"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: auth("header", "", "X-Forwarded-For")}, "is not a header"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: &credproxy.Auth{Scheme: "bearer"}}, "names no secret"},
		{credproxy.Route{Path: "/a/", Upstream: up, Auth: &credproxy.Auth{Scheme: "bearer", Secret: "proxy-token"}}, "names no secret"},
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
	// All that is wrong, at once.
	c := credproxy.Config{Routes: []credproxy.Route{{Path: "a", Upstream: "b"}, {Path: "c", Upstream: "d"}}}
	if n := strings.Count(c.Validate().Error(), "\n"); n != 4 {
		t.Errorf("%d lines: %v", n+1, c.Validate())
	}
}
