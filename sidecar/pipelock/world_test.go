package pipelock_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// world is an upstream with TLS for example.com. A nil handler answers with what
// it got.
func world(tb testing.TB, handler http.HandlerFunc) *httptest.Server {
	tb.Helper()
	if handler == nil {
		handler = func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(io.Discard, r.Body)
			if err != nil {
				return
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"host": r.Host, "uri": r.RequestURI, "n": n, "trailer": r.Trailer})
		}
	}
	return serve(tb, handler, false)
}

// worldHTTP2 is world that speaks HTTP/2 where it is asked to.
func worldHTTP2(tb testing.TB, handler http.HandlerFunc) *httptest.Server {
	tb.Helper()
	if handler == nil {
		handler = func(http.ResponseWriter, *http.Request) {}
	}
	return serve(tb, handler, true)
}

func serve(tb testing.TB, handler http.HandlerFunc, http2 bool) *httptest.Server {
	tb.Helper()
	u := httptest.NewUnstartedServer(handler)
	u.Config.ErrorLog = discard()
	u.EnableHTTP2 = http2
	u.StartTLS()
	tb.Cleanup(u.Close)
	return u
}

func inBase64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
