package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/bottle-run/bottle/sidecar"
)

// serve is a world. It shows a key's owner only what is below /private/.
func serve([]string) error {
	mux := http.NewServeMux()
	newWorld().on(mux)
	k := new(key)
	k.set(os.Getenv("PEER_KEY"))
	mux.HandleFunc("/key", k.change)
	mux.Handle("/private/", http.StripPrefix("/private", k.only(mux)))
	return listen(mux, "443", "8443")
}

// listen serves TLS with certificates of the authority in /tls, for whatever name
// it is called by.
func listen(h http.Handler, ports ...string) error {
	cert, err := os.ReadFile("/tls/ca.pem")
	if err != nil {
		return err
	}
	key, err := os.ReadFile("/tls/ca-key.pem")
	if err != nil {
		return err
	}
	ca, err := sidecar.LoadCA(cert, key)
	if err != nil {
		return err
	}
	errs := make(chan error)
	for _, port := range ports {
		s := &http.Server{
			Addr: ":" + port, Handler: h, ReadHeaderTimeout: 10 * time.Second,
			TLSConfig: &tls.Config{
				MinVersion:     tls.VersionTLS12,
				GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { return ca.Leaf(h.ServerName) },
			},
		}
		go func() { errs <- s.ListenAndServeTLS("", "") }()
	}
	return <-errs
}

// demand lets requests through that bring a header with just that value.
func demand(name, value string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if os.Getenv("PEER_KEY") == "" || !slices.Equal(r.Header.Values(name), []string{value}) {
			http.Error(w, "no key, or a wrong one", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// A world is what the servers answer.
type world struct {
	mu   sync.Mutex
	acks map[string]chan struct{}
}

func newWorld() *world { return &world{acks: map[string]chan struct{}{}} }

func (s *world) on(mux *http.ServeMux) {
	mux.HandleFunc("/whoami", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s %s\n", r.Method, r.Host, r.URL.Path, r.Header.Get("Via")) //nolint:gosec // nobody looks at it with a browser
	})
	mux.HandleFunc("/events", s.events)
	mux.HandleFunc("/ack", func(w http.ResponseWriter, r *http.Request) {
		select {
		case s.ack(r.FormValue("id")) <- struct{}{}:
			w.WriteHeader(http.StatusNoContent)
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/echo", echo)
	mux.HandleFunc("/zeros", zeros)
	mux.HandleFunc("/sink", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprint(w, n)
	})
	mux.HandleFunc("/forbidden/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "you should not see this") })
}

func (s *world) ack(id string) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.acks[id] == nil {
		s.acks[id] = make(chan struct{})
	}
	return s.acks[id]
}

// events sends server-sent events, each only after the one before was
// acknowledged: a proxy that keeps one back stops the stream.
func (s *world) events(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.FormValue("n"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ack := s.ack(r.FormValue("id"))
	w.Header().Set("Content-Type", "text/event-stream")
	for i := range n {
		fmt.Fprintf(w, "data: %d %s\n\n", i, time.Now().Format(time.RFC3339Nano))
		if http.NewResponseController(w).Flush() != nil {
			return
		}
		select {
		case <-ack:
		case <-r.Context().Done():
			return
		}
	}
}

func echo(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept answered
	}
	defer func() { _ = c.CloseNow() }()
	c.SetReadLimit(1 << 20)
	for {
		kind, b, err := c.Read(r.Context())
		if err != nil || c.Write(r.Context(), kind, b) != nil {
			return
		}
	}
}

// zeros answers with n bytes.
func zeros(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseInt(r.FormValue("n"), 10, 64)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = io.CopyN(w, filler{}, n) // the client counts
}

// filler is an endless text without a secret.
type filler struct{}

func (filler) Read(p []byte) (int, error) {
	const line = "0123456789 and so on, for as long as it takes\n"
	for n := 0; n < len(p); {
		n += copy(p[n:], line)
	}
	return len(p), nil
}
