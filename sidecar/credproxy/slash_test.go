package credproxy_test

import (
	"testing"

	"github.com/bottle-run/bottle/sidecar/credproxy"
)

// An escaped slash, as npm and GitLab's API have them, is sent as it came, where
// nothing depends on whether it is one.
func TestEscapedSlashes(t *testing.T) {
	u := serve(t, nil)
	p := run(t, credproxy.Options{Roots: u.roots()}, credproxy.Config{Routes: []credproxy.Route{
		{Path: "/npm/", Upstream: u.URL + "/registry", Auth: bearer()},
		{Path: "/npm/private/", Upstream: u.URL + "/p", Auth: bearer()},
		{Path: "/ruled/", Upstream: u.URL, Auth: bearer(), Paths: []string{"/**"}},
		{Path: "/get/", Upstream: u.URL, Methods: []string{"GET"}},
	}}, nil)
	for path, want := range map[string]string{
		"/npm/@scope%2fname":            "/registry/@scope%2fname",
		"/npm/@scope%2Fname?a=%2f":      "/registry/@scope%2Fname?a=%2f",
		"/npm/group%2Fsub%2fx/issues/1": "/registry/group%2Fsub%2fx/issues/1",
		"/npm/%61%2fb/":                 "/registry/a%2fb/",
		"/npm/private/a%2Fb":            "/p/a%2Fb",
		"/get/a%2fb":                    "/a%2fb",

		"/npm/private%2Fb": "", "/npm/%70rivate%2fb": "", "/npm/Private%2fb": "", "/npm%2Fx": "", "/%2Fnpm/x": "", "/npm/%2Fx": "", "/npm/x%2F%2Fy": "", "/npm/x%2F/y": "", "/npm//%2Fy": "",
		"/npm/x%2F..%2Fprivate%2Fb": "", "/npm/x%2F%2e%2e%2fprivate": "", "/npm/..%2Fx": "", "/npm/x%2F.%2Fy": "", "/npm/x%2F..;%2Fy": "", "/npm/x%252Fy": "", "/npm/x%2F%252e%252e": "", "/npm/x%5C%2Fy": "",
		"/npm/repo%2Finfo%2Frefs": "", "/npm/repo.git%2Fgit-receive-pack": "", "/npm/repo.git/info%2Frefs": "", "/ruled/a%2Fb": "", "/nowhere%2Fnpm/": "",
	} {
		res, body := p.do("GET", path, nil, nil)
		seen := u.requests()
		if want != "" && (res.Code != 200 || len(seen) != 1 || seen[0].RequestURI != want) || want == "" && (res.Code < 403 || len(seen) != 0) {
			t.Errorf("%s: %d %s %v", path, res.Code, body, seen)
		}
	}
}
