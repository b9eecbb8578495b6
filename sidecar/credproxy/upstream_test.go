package credproxy_test

import (
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/bottle-run/bottle/sidecar/credproxy"
)

// An upstream records the requests that reach it.
type upstream struct {
	*httptest.Server
	mu     sync.Mutex
	seen   []*http.Request
	signer *x509.Certificate // of its certificate, when it is not the Server's own
}

// serve starts an upstream with TLS. A nil handler answers "hello".
func serve(tb testing.TB, handler http.HandlerFunc) *upstream {
	tb.Helper()
	u := unstarted(handler)
	u.StartTLS()
	tb.Cleanup(u.Close)
	return u
}

func unstarted(handler http.HandlerFunc) *upstream {
	u := new(upstream)
	u.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		u.seen = append(u.seen, r)
		u.mu.Unlock()
		if handler == nil {
			_, _ = io.WriteString(w, "hello")
			return
		}
		handler(w, r)
	}))
	return u
}

func (u *upstream) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	if u.signer != nil {
		pool.AddCert(u.signer)
	} else {
		pool.AddCert(u.Certificate())
	}
	return pool
}

// requests returns the requests so far, and forgets them.
func (u *upstream) requests() []*http.Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	seen := u.seen
	u.seen = nil
	return seen
}

// host returns "127.0.0.1:port".
func (u *upstream) host() string { return u.Listener.Addr().String() }

// one returns a cred-proxy with the one route "/api/" to u.
func one(tb testing.TB, u *upstream, r credproxy.Route) *running {
	tb.Helper()
	if r.Path == "" {
		r.Path = "/api/"
	}
	if r.Upstream == "" {
		r.Upstream = u.URL
	}
	return run(tb, credproxy.Options{Roots: u.roots()}, credproxy.Config{Routes: []credproxy.Route{r}}, nil)
}
