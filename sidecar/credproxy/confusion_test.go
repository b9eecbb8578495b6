package credproxy_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/credproxy"
)

// twoUpstreams is a table with routes that an attacker would like to mix up: one
// with a path and rules, one nested in it, one without a credential.
func twoUpstreams(tb testing.TB, a, b *upstream) *running {
	tb.Helper()
	roots := a.roots()
	roots.AddCert(b.Certificate())
	return run(tb, credproxy.Options{Roots: roots}, credproxy.Config{Routes: []credproxy.Route{
		{Path: "/a/", Upstream: a.URL + "/pub", Auth: bearer(), Methods: []string{"GET", "POST"}, Paths: []string{"/ok/**"}},
		{Path: "/a/ok/admin/", Upstream: a.URL + "/adm", Auth: &credproxy.Auth{Scheme: "header", Secret: "other", Header: "X-Admin"}, Methods: []string{"GET"}},
		{Path: "/b/", Upstream: b.URL},
	}}, inputs{"other": "another-secret-of-the-launch"})
}

// stray reports what is wrong with where a request with a credential arrived.
func stray(a *upstream, r *http.Request) string {
	first, second := r.Header.Values("Authorization"), r.Header.Values("X-Admin")
	path, _, _ := strings.Cut(r.RequestURI, "?")
	canonical, err := sidecar.CanonicalPath(path)
	switch {
	case err != nil || canonical != path:
		return "the path is not canonical"
	case r.Host != a.host():
		return "the host is another"
	case len(first) > 0 && (len(first) > 1 || first[0] != "Bearer "+canary || len(second) > 0 || !strings.HasPrefix(path+"/", "/pub/ok/") || r.Method != http.MethodGet && r.Method != http.MethodPost):
		return "the credential is not for this"
	case len(second) > 0 && (len(second) > 1 || second[0] != "another-secret-of-the-launch" || !strings.HasPrefix(path+"/", "/adm/") || r.Method != http.MethodGet):
		return "the admin's credential is not for this"
	case len(first)+len(second) == 0:
		return "no credential at all"
	}
	return ""
}

// judge reports what is wrong with what arrived.
func judge(tb testing.TB, what string, a, b *upstream) {
	tb.Helper()
	for _, r := range a.requests() {
		if why := stray(a, r); why != "" {
			tb.Errorf("%q sent to a: %s %s %q: %s", what, r.Method, r.RequestURI, r.Header, why)
		}
	}
	for _, r := range b.requests() {
		if r.Host != b.host() || r.Header.Get("X-Admin") != "" || strings.Contains(strings.Join(r.Header.Values("Authorization"), ""), canary) {
			tb.Errorf("%q sent to b: %s %s %q", what, r.Host, r.RequestURI, r.Header)
		}
	}
}

// confusions are THREATS 20 and 21: request lines and headers that some program
// on the way may read in another way than we do.
func confusions(a, b *upstream) []string {
	var out []string
	for _, target := range []string{
		"/a/../b/", "/a/ok/../../b/", "/a/%2e%2e/b/", "/a/.%2e/b/", "/a/%2E%2E/b/", "/a/%252e%252e/b/", "/a/..%2fb/", "/a/ok%2f..%2f..%2fb", "/a/ok/..;/x", "/a/ok/..;a=b/x",
		"/a/ok/%2e%2e;/x", "/a/..%5cb/", `/a/..\b/`, `/a\..\b/`, "/a//b/", "//b/", "//" + b.host() + "/x", "/a//" + b.host() + "/", "///a/ok/x", "/a/ok//x", "/a@" + b.host() + "/ok/x",
		"/a/ok/@" + b.host() + "/x", "/A/ok/x", "/a/OK/x", "/a/ok/ADMIN/x", "/a/ok/admin;x/y", "/a/ok/admin%3Bx/y", "/a/ok/Admin./y", "/a/ok/admin%20/y", "/a/ok/%61dmin/x", "/a/ok/%41dmin/x",
		"/a/ok/%2561dmin/x", "/a/ok/x%00", "/a/ok/%00/../../b", "/a/ok/x%0d%0aX-Injected:%201", "/a/ok/x?../../b", "/a/ok/x#/b", "/a/ok/x%23/b", "/a/ok/x%3f/b", "/%61/ok/x", "/a/ok/./x",
		"/a/ok/x%", "/a/ok/%zz", "/a/ok/%u002e%u002e/", "/a/%c0%ae%c0%ae/b", "/a/ok/\u202e", "/a/ok/x\xff", "/a/ok/[::1]", "*", "", "a/ok/x", "?/a/ok/x", "#/a/ok/x", "/a", "/a/", "/b", "/b/",
		"http://" + b.host() + "/a/ok/x", "https://" + b.host() + "/a/ok/x", "http://user:pass@" + b.host() + "/a/ok/x", "http://" + b.host(), "http:///a/ok/x", "http:/a/ok/x", "HTTP://x/a/ok/x",
		"ftp://" + b.host() + "/a/ok/x", "file:///a/ok/x", "javascript:/a/ok/x", "http://x/../a/ok/x", "http://x//b/x", "http:\\\\x\\a\\ok", "http://x?/a/ok/y", "http://x#/a/ok/y", "x://y/a/ok/../x",
		a.URL + "/pub/ok/x", b.URL + "/", "/a/ok/x HTTP/1.1\r\nHost: evil\r\n\r\nGET /b/",
	} {
		for _, host := range []string{"cred-proxy:9099", b.host(), "evil.com", "a:b@c", "", "x\r\nHost: y", "x\r\nX-Forwarded-Host: evil.com\r\nForwarded: host=evil.com"} {
			out = append(out, "GET "+target+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
		}
		for _, method := range []string{"POST", "DELETE", "CONNECT", "TRACE", "OPTIONS", "GET\t", "get"} {
			out = append(out, method+" "+target+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		}
	}
	const head = "POST /a/ok/x HTTP/1.1\r\nHost: x\r\n"
	const smuggled = "GET /b/secret HTTP/1.1\r\nHost: x\r\nX: "
	return append(out,
		head+"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"+smuggled,
		head+"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"+smuggled,
		head+"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"+smuggled,
		head+"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"+smuggled,
		head+"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"+smuggled,
		head+"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n"+smuggled,
		head+"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"+smuggled,
		head+"Content-Length: +5\r\n\r\n12345"+smuggled,
		head+"Content-Length: 0\nX: y\n\n"+smuggled,
		head+"X: y\r\n Folded: z\r\nContent-Length: 0\r\n\r\n"+smuggled,
		head+"Connection: Authorization, Host, Content-Length, X-Admin\r\nAuthorization: mine\r\nContent-Length: 0\r\n\r\n",
		head+"Connection: close, Accept-Encoding\r\nAuthorization: mine\r\nAuthorization: mine too\r\nX_admin: 1\r\nX-Admin: 1\r\nContent-Length: 0\r\n\r\n",
		"GET /a/ok/x HTTP/1.0\r\n\r\n", "GET /a/ok/x HTTP/0.9\r\n\r\n", "GET /a/ok/x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x00\x00", "\x00",
		head+"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nConnection: close\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nContent-Length: 0\r\n\r\n",
		head+"X-HTTP-Method-Override: DELETE\r\nX-Original-URL: /adm\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
	)
}

func TestRouteConfusion(t *testing.T) {
	a, b := serve(t, nil), serve(t, nil)
	p := twoUpstreams(t, a, b)
	reached := 0
	for _, request := range confusions(a, b) {
		p.raw(request)
		a.mu.Lock()
		reached += len(a.seen)
		a.mu.Unlock()
		judge(t, request, a, b)
	}
	if reached < 20 {
		t.Errorf("only %d requests arrived: the test shows little", reached)
	}
}

// Whatever bytes a client sends, an injected credential leaves for the scheme,
// host and port of its route only, and for a canonical path and a method that the
// route has.
func FuzzRawRequests(f *testing.F) {
	a, b := serve(f, nil), serve(f, nil)
	p := twoUpstreams(f, a, b)
	p.quiet = 10 * time.Millisecond
	for i, request := range confusions(a, b) {
		if i%7 == 0 || strings.HasPrefix(request, "POST") {
			f.Add([]byte(request))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p.raw(string(data))
		judge(t, string(data), a, b)
	})
}

// The same for request targets, which random bytes seldom get right.
func FuzzTargets(f *testing.F) {
	a, b := serve(f, nil), serve(f, nil)
	p := twoUpstreams(f, a, b)
	p.quiet = 10 * time.Millisecond
	for _, seed := range []string{"/a/ok/x", "/a/ok/admin/", "/b/..%2fa/ok", "/a/ok/%61dmin;/", "http://x/a/ok/?key=1", "/a/ok/%25%32%65./", "/a/ok/x?a&b;key=c"} {
		f.Add(seed, "GET", "X-Y: z")
	}
	f.Fuzz(func(t *testing.T, target, method, header string) {
		if strings.ContainsAny(target+method+header, "\r\n") {
			return // FuzzRawRequests' matter
		}
		request := method + " " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + header + "\r\n\r\n"
		p.raw(request)
		judge(t, request, a, b)
	})
}
