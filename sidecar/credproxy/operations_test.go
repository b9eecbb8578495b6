package credproxy_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/bottle-run/bottle/sidecar/credproxy"
)

func graphQLBody(query string) string { return fmt.Sprintf(`{"query":%q}`, query) }

// Operations are told by their names, however a request hides them; what cannot
// be read as the upstream will is refused.
func TestGraphQL(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	p := one(t, u, credproxy.Route{Auth: bearer(), Protocol: "graphql", Operations: []string{"query.viewer", "query.repository*", "mutation.addComment"}})
	for body, want := range map[string]string{
		graphQLBody("{viewer{login}}"):                                                                              "",
		graphQLBody("query Q { a: viewer { mutation } repositoryOwner{id} }"):                                       "",
		graphQLBody("{...F} fragment F on Query { ...G } fragment G on Query { viewer{id} }"):                       "",
		graphQLBody("mutation { addComment(body: \"deleteRepo\") { id } }"):                                         "",
		`{"operationName":"B","variables":{"a":[1,{"b":2}]},"query":"query A{viewer{id}} query B{repository{id}}"}`: "",
		"[" + graphQLBody("{viewer{id}}") + "," + graphQLBody("{__typename}") + "]":                                 "",

		graphQLBody("mutation { deleteRepo }"):                                             "mutation.deleteRepo",
		graphQLBody("{ viewer: secrets }"):                                                 "query.secrets",
		graphQLBody("mutation { viewer }"):                                                 "mutation.viewer",
		graphQLBody("mutation { addComment: deleteRepo }"):                                 "mutation.deleteRepo",
		graphQLBody("subscription { viewer }"):                                             "subscription.viewer",
		graphQLBody("{ viewer{id} ... on Query { secrets } }"):                             "query.secrets",
		graphQLBody("{ viewer{id} ... @include(if:true) { ... { secrets } } }"):            "query.secrets",
		graphQLBody("{...F} fragment F on Query { ...G } fragment G on Query { secrets }"): "query.secrets",
		graphQLBody("{...F} fragment F on Query { ...F secrets }"):                         "query.secrets",
		graphQLBody("{ __schema { types { name } } }"):                                     "query.__schema",
		graphQLBody("#{viewer}\n{ secrets }"):                                              "query.secrets",
		`{"operationName":"A","query":"query A{viewer{id}} mutation B{deleteRepo}"}`:       "mutation.deleteRepo",
		"[" + graphQLBody("{viewer{id}}") + "," + graphQLBody("{secrets}") + "]":           "query.secrets",

		graphQLBody("query A{viewer{id}} query B{viewer{id}}"): "which operation",
		`{"operationName":"C","query":"query A{viewer{id}}"}`:  "which operation",
		graphQLBody("{...F}"): "no fragment F",
		graphQLBody("{...F} fragment F on Q {viewer} fragment F on Q {secrets}"): "two fragments F",
		graphQLBody("{viewer"):                     "cannot be parsed",
		graphQLBody(strings.Repeat("{a", 30_000)):  "cannot be parsed",
		graphQLBody(""):                            "no query in the request",
		`{"query":"{viewer}","query":"{secrets}"}`: "given twice",
		`{"query":"{viewer}","Query":"{secrets}"}`: "unknown field",
		`{"query":"{viewer}","documentId":"x"}`:    "unknown field",
		`{"id":"x"}`:                               "unknown field",
		`{"query":"{viewer}","extensions":{"persistedQuery":{"sha256Hash":"x"}}}`: "persisted queries",
		`{"query":null}`: "no query", `[]`: "a batch has", "[" + strings.Repeat("{},", 100) + "{}]": "a batch has",
		"": "not JSON", "null": "no query", `"x"`: "cannot read", "{} {}": "not JSON", "\xef\xbb\xbf{}": "not JSON", "{\"query\":\"{viewer}\xff\"}": "not JSON",
		strings.Repeat("[", 4<<20): "not JSON", strings.Repeat(" ", 4<<20+1): "longer than",
	} {
		res, got := p.do("POST", "/api/graphql", http.Header{"Content-Type": {"application/json; charset=UTF-8"}}, strings.NewReader(body))
		n := len(u.requests())
		if want == "" && (res.Code != 200 || got != body || n != 1) || want != "" && (res.Code < 400 || n != 0 || !strings.Contains(got, want)) {
			t.Errorf("%.200s: %d %s, want %q", body, res.Code, got, want)
		}
		if strings.Contains(want, ".") && !strings.Contains(refusalOf(t, got), "does not allow the operation "+want) {
			t.Errorf("%.200s: %s", body, got)
		}
	}
	for query, want := range map[string]string{
		"?query=" + url.QueryEscape("{viewer{id}}"): "", "?query={viewer}&operationName=&variables={}": "",
		"?query={secrets}": "query.secrets", "?query=mutation{addComment}": "may only query", "": "no query", "?query={viewer}&query={secrets}": "given twice",
		"?query={viewer}&id=3": "means nothing", "?query={viewer};query={secrets}": "cannot be read", "?query={viewer}&extensions={%22persistedQuery%22:1}": "persisted",
	} {
		res, got := p.do("GET", "/api/graphql"+query, nil, nil)
		if n := len(u.requests()); (res.Code == 200) != (want == "") || n != map[bool]int{true: 1}[want == ""] || !strings.Contains(got, want) {
			t.Errorf("GET %s: %d %s, want %q", query, res.Code, got, want)
		}
	}
	good := graphQLBody("{viewer{id}}")
	for _, test := range []struct {
		method, path string
		h            http.Header
		want         string
	}{
		{"POST", "/api/?query={secrets}", http.Header{"Content-Type": {"application/json"}}, "query of the URL"},
		{"POST", "/api/", nil, "application/json"},
		{"POST", "/api/", http.Header{"Content-Type": {"application/graphql"}}, "application/json"},
		{"POST", "/api/", http.Header{"Content-Type": {"application/json; charset=utf-16"}}, "UTF-8"},
		{"POST", "/api/", http.Header{"Content-Type": {"application/json", "text/plain"}}, "application/json"},
		{"POST", "/api/", http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}, "encoded (gzip)"},
		{"PUT", "/api/", http.Header{"Content-Type": {"application/json"}}, "no method of it"},
		{"GET", "/api/", http.Header{"Content-Type": {"application/json"}}, "a GET has no body"},
		{"GET", "/api/?query={viewer}", http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}, "WebSocket"},
	} {
		var body io.Reader
		if test.h.Get("Upgrade") == "" {
			body = strings.NewReader(good)
		}
		if res, got := p.do(test.method, test.path, test.h, body); res.Code != 403 || !strings.Contains(got, test.want) || len(u.requests()) != 0 {
			t.Errorf("%s %s %v: %d %s", test.method, test.path, test.h, res.Code, got)
		}
	}
}

func TestJSONRPC(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	p := one(t, u, credproxy.Route{Auth: bearer(), Protocol: "jsonrpc", Operations: []string{"tools/list", "initialize", "notifications/**"}})
	call := func(method string) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{"method":"tools/call"}}`, method)
	}
	for body, want := range map[string]string{
		call("tools/list"): "", call("notifications/a/b"): "", `{"jsonrpc":"2.0","method":"initialize"}`: "",
		"[" + call("tools/list") + "," + call("initialize") + "]": "",
		`{"jsonrpc":"2.0","id":7,"result":{}}`:                    "", `{"jsonrpc":"2.0","id":7,"error":{}}`: "",

		call("tools/call"): "operation tools/call", call("Tools/List"): "operation Tools/List", call("tools/list/"): "operation tools/list/", call(""): "neither a call",
		"[" + call("tools/list") + "," + call("tools/call") + "]":       "operation tools/call",
		`{"jsonrpc":"2.0","method":"tools/list","method":"tools/call"}`: "given twice", `{"jsonrpc":"2.0","method":"tools/list","Method":"tools/call"}`: "unknown field",
		`{"jsonrpc":"2.0","id":7,"result":{},"method":"tools/list"}`: "neither a call", `{"jsonrpc":"2.0","id":7}`: "neither a call", `{"id":7,"method":"tools/list"}`: "JSON-RPC 2.0",
		`{"jsonrpc":"2.0","method":["tools/list"]}`: "cannot read", "[]": "a batch has", "[[]]": "cannot read", "{": "not JSON", "": "not JSON",
	} {
		res, got := p.do("POST", "/api/mcp", http.Header{"Content-Type": {"application/json"}}, strings.NewReader(body))
		n := len(u.requests())
		if want == "" && (res.Code != 200 || got != body || n != 1) || want != "" && (res.Code != 403 || n != 0 || !strings.Contains(got, want)) {
			t.Errorf("%.200s: %d %s, want %q", body, res.Code, got, want)
		}
	}
	for path, want := range map[string]int{"/api/mcp": 200, "/api/mcp?method=tools/call": 403} {
		if res, got := p.do("GET", path, http.Header{"Accept": {"text/event-stream"}}, nil); res.Code != want {
			t.Errorf("GET %s: %d %s", path, res.Code, got)
		}
	}
	if res, got := p.do("DELETE", "/api/mcp", http.Header{"Content-Type": {"application/json"}}, strings.NewReader(call("tools/list"))); res.Code != 403 {
		t.Errorf("DELETE with a body: %d %s", res.Code, got)
	}
}

// Many large bodies at once wait for each other's memory, and those who hold it go
// on.
func TestBulkHeld(t *testing.T) {
	bulk(t)
	u := serve(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	p := one(t, u, credproxy.Route{Auth: bearer(), Protocol: "jsonrpc", Operations: []string{"a"}})
	heap := watchHeap(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			body := io.MultiReader(strings.NewReader(`{"jsonrpc":"2.0","method":"a","params":["`), io.LimitReader(zeros{}, 4<<20-100), strings.NewReader(`"]}`))
			if res, got := p.do("POST", "/api/", http.Header{"Content-Type": {"application/json"}}, body); res.Code != 200 {
				t.Errorf("%d %s", res.Code, got)
			}
		})
	}
	wg.Wait()
	if peak := heap(); peak > 400<<20 {
		t.Errorf("the heap grew to %d MiB", peak>>20)
	}
	if res, got := p.do("POST", "/api/", http.Header{"Content-Type": {"application/json"}}, strings.NewReader(`{"jsonrpc":"2.0","method":"a"}`)); res.Code != 200 {
		t.Errorf("afterwards: %d %s", res.Code, got)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}
