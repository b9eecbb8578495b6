package credproxy_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/sidecar/credproxy"
)

// The longest prefix of whole segments wins, the upstream's own path comes
// first, and no other path has a route.
func TestRouting(t *testing.T) {
	u := serve(t, nil)
	p := run(t, credproxy.Options{Roots: u.roots()}, credproxy.Config{Routes: []credproxy.Route{
		{Path: "/a/", Upstream: u.URL + "/one"},
		{Path: "/a/b/", Upstream: u.URL + "/two/"},
		{Path: "/a/b/c/", Upstream: u.URL},
	}}, nil)
	for path, want := range map[string]string{
		"/a/x": "/one/x", "/a/": "/one/", "/a": "/one", "/a/bc": "/one/bc", "/a/b": "/two", "/a/b/": "/two/", "/a/b/x": "/two/x", "/a/b/c": "/", "/a/b/c/": "/",
		"/a/b/c/x%20y": "/x%20y", "/a/b/cd": "/two/cd", "/a/%78?q": "/one/x?q", "/a/ü": "/one/%C3%BC", "/a/x?": "/one/x", "/a/100%25": "/one/100%25",
		"/": "", "/ab": "", "/b/": "", "/ab/c": "", "/healthz/x": "",
	} {
		res, body := p.do("GET", path, nil, nil)
		if seen := u.requests(); want != "" && (len(seen) != 1 || seen[0].RequestURI != want) {
			t.Errorf("%s: %d %s; the upstream got %v", path, res.Code, body, seen)
		} else if want == "" && (len(seen) != 0 || res.Code != 404 || !strings.Contains(body, "/a/, /a/b/, /a/b/c/")) {
			t.Errorf("%s: %d %s", path, res.Code, body)
		}
	}
}

func TestMethodsAndPaths(t *testing.T) {
	u := serve(t, nil)
	p := one(t, u, credproxy.Route{
		Auth: bearer(), Methods: []string{"GET", "POST"}, Paths: []string{"/v1/**", "/repos/*/pulls"}, Upstream: u.URL + "/base", Pos: "launch.star:3:5",
	})
	for _, test := range []struct {
		method, path string
		status       int
		reason       string
	}{
		{"GET", "/api/v1/x/y", 200, ""},
		{"POST", "/api/repos/x/pulls", 200, ""},
		{"GET", "/api/repos/x/y/pulls", 403, "route /api/ does not allow the path /repos/x/y/pulls"},
		{"GET", "/api/", 403, "does not allow the path /"},
		{"GET", "/api", 403, "does not allow the path /"},
		{"DELETE", "/api/v1/x", 403, "route /api/ allows GET, POST, not DELETE"},
		{"get", "/api/v1/x", 403, "not get"},
		{"TRACE", "/api/v1/x", 403, "TRACE goes to no upstream"},
	} {
		res, body := p.do(test.method, test.path, nil, nil)
		if seen := u.requests(); res.Code != test.status || (len(seen) == 1) != (test.status == 200) {
			t.Errorf("%s %s: %d %s, %d requests", test.method, test.path, res.Code, body, len(seen))
		}
		if test.status == 200 {
			continue
		}
		var refusal map[string]string
		if err := json.Unmarshal([]byte(body), &refusal); err != nil || refusal["error"] != "blocked by bottle" || !strings.Contains(refusal["reason"], test.reason) ||
			res.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %s", test.method, test.path, body)
		}
		if strings.Contains(test.reason, "route") && (refusal["host"] != u.host() || refusal["allow"] == "") {
			t.Errorf("%s %s: %s", test.method, test.path, body)
		}
	}
}

// Without methods and paths a route lets everything through but what is no
// request for an upstream.
func TestForbiddenMethods(t *testing.T) {
	u := serve(t, nil)
	p := one(t, u, credproxy.Route{Auth: bearer()})
	for _, line := range []string{"TRACE /api/x", "trace /api/x", "TRACK /api/x", "CONNECT 127.0.0.1:443", "CONNECT /api/x", "CONNECT " + u.host(), "DEBUG /api/x", "PRI *"} {
		answer := p.raw(line + " HTTP/1.1\r\nHost: " + u.host() + "\r\n\r\n")
		if strings.HasPrefix(answer, "HTTP/1.1 2") || len(u.requests()) != 0 {
			t.Errorf("%s: %s", line, answer)
		}
	}
	if res, _ := p.do("PROPFIND", "/api/x", nil, nil); res.Code != 200 {
		t.Errorf("PROPFIND: %d", res.Code)
	}
}

// THREATS 20: what a less exact server takes for a path of another route is not
// sent by this one.
func TestAmbiguousPaths(t *testing.T) {
	u := serve(t, nil)
	p := run(t, credproxy.Options{Roots: u.roots()}, credproxy.Config{Routes: []credproxy.Route{
		{Path: "/a/", Upstream: u.URL, Auth: bearer()}, {Path: "/a/Admin/", Upstream: u.URL + "/admin", Methods: []string{"GET"}}, {Path: "/", Upstream: u.URL},
	}}, nil)
	for _, path := range []string{"/a/admin/x", "/a/ADMIN/x", "/a/admin", "/a/Admin;x/y", "/a/Admin;x", "/a/Admin%3bx/y", "/a/admin./x", "/a/Admin%20/x", "/A/x", "/a;b/x", "/A/Admin/x"} {
		if res, body := p.do("GET", path, nil, nil); res.Code != 403 || !strings.Contains(body, "may be read as one of route") {
			t.Errorf("%s: %d %s", path, res.Code, body)
		}
	}
	for _, path := range []string{"/a/Admin/X;y", "/a/x/admin", "/a/admins/x", "/a/b;c/d", "/b/a/x", "/a/X.", "/a/adm%25in/x"} {
		if res, body := p.do("GET", path, nil, nil); res.Code != 200 {
			t.Errorf("%s: %d %s", path, res.Code, body)
		}
	}
}
