package credproxy_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/credproxy"
)

// judge judges every request that has arrived and not been judged. What is cut
// off, because its client went away, stays for what may follow.
func (w *wire) judge(wrong func(*http.Request) string, secrets ...string) string {
	w.bytes.Lock()
	defer w.bytes.Unlock()
	for _, b := range w.bytes.conns {
		for b.Len() > 0 {
			text := b.String()
			src := strings.NewReader(text)
			r := bufio.NewReader(src)
			req, err := http.ReadRequest(r)
			if err == nil {
				var body bytes.Buffer
				_, err = body.ReadFrom(req.Body)
				req.Body = io.NopCloser(&body)
			}
			if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
				line, _, _ := strings.Cut(text, "\r\n")
				for _, secret := range secrets {
					if strings.Contains(text, secret) && !strings.Contains(line, " /only/v1") && !strings.Contains(line, " /pkg") {
						return "a part of a request: " + text
					}
				}
				break
			}
			if err != nil {
				return "not a request: " + text
			}
			if why := wrong(req); why != "" {
				return why + ": " + text
			}
			b.Next(len(text) - src.Len() - r.Buffered())
		}
	}
	return ""
}

// wired is a cred-proxy with a route that has the credential and rules, one beside
// it on the same host without, and one to another host.
func wired(tb testing.TB) (p *running, a, b *wire) {
	tb.Helper()
	a, b = listenWire(tb), listenWire(tb)
	roots := a.roots()
	roots.AddCert(b.signer)
	p = run(tb, credproxy.Options{Roots: roots}, credproxy.Config{
		Routes: []credproxy.Route{
			{Path: "/key/", Upstream: a.URL + "/only", Auth: bearer(), Methods: []string{"GET", "POST"}, Paths: []string{"/v1/**"}},
			{Path: "/slash/", Upstream: a.URL + "/pkg", Auth: &credproxy.Auth{Scheme: "query", Query: "k", Secret: "second"}},
			{Path: "/same/", Upstream: a.URL + "/free"},
			{Path: "/other/", Upstream: b.URL},
		},
		Agents: []credproxy.Agent{{Name: "one", Routes: []string{"/key/", "/slash/", "/same/", "/other/"}}, {Name: "two", Routes: []string{"/other/"}}},
	}, inputs{"agent:one": tokenA, "agent:two": tokenB, "second": second})
	return p, a, b
}

const second = "second-secret-of-the-wire"

// misplaced says what is wrong with the bytes that reached the upstreams: each
// credential stands in a request for its own path, once, and nowhere else.
func misplaced(a, b *wire) string {
	if why := a.judge(a.wrong, canary, second); why != "" {
		return why
	}
	return b.judge(func(r *http.Request) string {
		var all bytes.Buffer
		_ = r.Write(&all)
		if strings.Contains(all.String(), canary) || strings.Contains(all.String(), second) {
			return "the other host got a credential"
		}
		return ""
	}, canary, second)
}

// wrong judges one request as it arrived.
func (w *wire) wrong(r *http.Request) string {
	var rest bytes.Buffer
	_, _ = rest.ReadFrom(r.Body)
	path, query, _ := strings.Cut(r.RequestURI, "?")
	canonical, _, err := sidecar.SlashedPath(path)
	var all strings.Builder
	_ = r.Header.Write(&all)
	keys, seconds := strings.Count(all.String(), canary), strings.Count(query, "k="+second)
	switch {
	case err != nil || canonical != path:
		return "the path is not canonical"
	case r.Host != w.host():
		return "the host is another"
	case strings.Contains(path+query+r.Method+rest.String(), canary), strings.Contains(path+r.Method+all.String()+rest.String(), second):
		return "a credential is in a wrong place"
	case keys+seconds == 0:
		if strings.HasPrefix(path+"/", "/only/") || strings.HasPrefix(path+"/", "/pkg/") {
			return "no credential on its own path"
		}
		return ""
	case keys == 1 && seconds == 0 && r.Header.Get("Authorization") == "Bearer "+canary && strings.HasPrefix(path, "/only/v1") && !strings.Contains(strings.ToLower(path), "%2f") && (r.Method == http.MethodGet || r.Method == http.MethodPost):
		return ""
	case keys == 0 && seconds == 1 && strings.HasPrefix(path+"/", "/pkg/"):
		return ""
	}
	return "a credential is where it does not belong"
}

func TestWhatReachesTheWire(t *testing.T) {
	p, a, b := wired(t)
	p.quiet = 0
	for target, want := range map[string]string{
		"/key/v1/x": "GET /only/v1/x HTTP/1.1\r\n", "/slash/a%2fb?c=d": "GET /pkg/a%2fb?c=d&k=" + second + " HTTP/1.1\r\n", "/same/x": "GET /free/x HTTP/1.1\r\n",
		"/other/x": "", "/key/x": "", "/key/../same/x": "",
	} {
		p.raw("GET /~" + tokenA + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		a.bytes.Lock()
		got := ""
		for _, c := range a.bytes.conns {
			got += c.String()
		}
		a.bytes.Unlock()
		if strings.Contains(got, "token-of-agent") || !strings.HasPrefix(got, want) || (got == "") != (want == "") {
			t.Errorf("%s became %q", target, got)
		}
		if why := misplaced(a, b); why != "" {
			t.Errorf("%s: %s", target, why)
		}
	}
	// The judge sees what there is to see.
	for text, want := range map[string]string{
		"GET /only/v1 HTTP/1.1\r\nHost: " + a.host() + "\r\nX: " + canary + "\r\n\r\n":                       "does not belong",
		"GET /free HTTP/1.1\r\nHost: " + a.host() + "\r\nAuthorization: Bearer " + canary + "\r\n\r\n":       "does not belong",
		"DELETE /only/v1 HTTP/1.1\r\nHost: " + a.host() + "\r\nAuthorization: Bearer " + canary + "\r\n\r\n": "does not belong",
		"GET /only/v1 HTTP/1.1\r\nHost: " + a.host() + "\r\n\r\n":                                            "no credential",
		"GET /only/../x HTTP/1.1\r\nHost: " + a.host() + "\r\n\r\n":                                          "not canonical",
		"GET /free HTTP/1.1\r\nHost: evil\r\n\r\n":                                                           "another",
		"GET /free?" + canary + " HTTP/1.1\r\nHost: " + a.host() + "\r\n\r\n":                                "wrong place",
		"GET /free HTTP/1.1\r\nAuthorization: Bearer " + canary:                                              "a part of",
	} {
		a.bytes.Lock()
		_, _ = a.bytes.conns[0].WriteString(text)
		a.bytes.Unlock()
		if why := misplaced(a, b); !strings.Contains(why, want) {
			t.Errorf("%q: judged %q", text, why)
		}
		a.bytes.Lock()
		a.bytes.conns[0].Reset()
		a.bytes.Unlock()
	}
}

// No request but one that matches scheme, host, port and canonical path of a route
// ever carries its credential: whatever the target of a request, judged by every
// byte that upstreams get.
func FuzzTargetsOnTheWire(f *testing.F) {
	p, a, b := wired(f)
	p.quiet = 10_000_000 // 10 ms
	for i, request := range confusions(a.upstream, b.upstream) {
		line, _, _ := strings.Cut(request, "\r\n")
		if parts := strings.SplitN(line, " ", 3); i%8 == 0 && len(parts) == 3 {
			f.Add(strings.NewReplacer("/a/ok", "/key/v1", "/a/", "/slash/", "/b/", "/other/").Replace(parts[1]), parts[0], "X-Y: z", "")
		}
	}
	f.Add("/~"+tokenA+"/slash/%2e%2e%2Fkey/v1?k=1&k", "POST", "Content-Length: 4", "body")
	f.Add("/~"+tokenB+"/key/v1", "GET", "Authorization: Bearer "+tokenA, "")
	f.Fuzz(func(t *testing.T, target, method, header, body string) {
		if strings.ContainsAny(target+method, "\r\n ") || strings.Contains(target+header+body, "ecret-of-the-wire") || strings.Contains(header+target+body, canary[:8]) {
			return // what the client brings itself is nobody's secret
		}
		for _, prefix := range []string{"", "/~" + tokenA} {
			request := method + " " + prefix + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Api-Key: " + tokenA + "\r\n" + header + "\r\n\r\n" + body
			p.raw(request)
			if why := misplaced(a, b); why != "" {
				t.Errorf("%q: %s", request, why)
			}
		}
	})
}

// The same for raw bytes of one connection, pipelined requests among them.
func FuzzBytesOnTheWire(f *testing.F) {
	p, a, b := wired(f)
	p.quiet = 10_000_000 // 10 ms
	for i, request := range confusions(a.upstream, b.upstream) {
		if i%9 == 0 || strings.HasPrefix(request, "POST") {
			request = strings.NewReplacer("/a/ok", "/~"+tokenA+"/key/v1", "/a/", "/~"+tokenA+"/slash/", "/b/", "/~"+tokenA+"/other/").Replace(request)
			f.Add([]byte(request + request))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.Contains(data, []byte("ecret-of-the-wire")) || bytes.Contains(data, []byte(canary[:8])) {
			return
		}
		p.raw(string(data))
		if why := misplaced(a, b); why != "" {
			t.Errorf("%q: %s", data, why)
		}
	})
}
