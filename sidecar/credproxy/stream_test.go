package credproxy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/sidecar/credproxy"
)

// Each event of a stream arrives before the next is made.
func TestSSEArrivesEventByEvent(t *testing.T) {
	next := make(chan struct{})
	u := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 5 {
			_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			<-next
		}
	})
	for _, auth := range []*credproxy.Auth{nil, bearer()} {
		p := one(t, u, credproxy.Route{Auth: auth})
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/api/", nil)
		res, err := direct(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(res.Body)
		for i := range 5 {
			line, err := r.ReadString('\n')
			if want := fmt.Sprintf("data: %d\n", i); line != want || err != nil {
				t.Fatalf("read %q, %v, want %q", line, err, want)
			}
			_, _ = r.ReadString('\n')
			next <- struct{}{}
		}
		_ = res.Body.Close()
	}
}

// A body of known length may trickle too, up as well as down.
func TestBodiesTrickle(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.Header().Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
		buf := make([]byte, 1)
		for {
			if n, err := r.Body.Read(buf); n == 0 && err != nil {
				return
			}
			_, _ = w.Write(buf)
			_ = http.NewResponseController(w).Flush()
		}
	})
	p := one(t, u, credproxy.Route{Auth: bearer()})
	body, feed := io.Pipe()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+"/api/", body)
	req.ContentLength = 3
	go func() { _, _ = feed.Write([]byte("a")) }()
	res, err := direct(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	buf := make([]byte, 1)
	for i, want := range "abc" {
		if i > 0 {
			_, _ = feed.Write([]byte(string(want)))
		}
		if _, err := io.ReadFull(res.Body, buf); err != nil || string(buf) != string(want) {
			t.Fatalf("read %q, %v, want %q", buf, err, want)
		}
	}
	_ = feed.Close()
}

func TestTrailersBothWays(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Trailer", "X-Sum, X-Echo")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Sum", r.Trailer.Get("X-Up")+fmt.Sprint(len(r.Trailer)))
		w.Header().Set("X-Echo", r.Header.Get("Authorization"))
		w.Header().Set(http.TrailerPrefix+"X-Late", canary)
	})
	p := one(t, u, credproxy.Route{Auth: bearer()})
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+"/api/", io.MultiReader(strings.NewReader("x")))
	req.Trailer = http.Header{"X-Up": {"up"}, "Authorization": {"mine"}, "X_api_key": {"mine"}}
	res, err := direct(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, _ := io.ReadAll(res.Body)
	stars := strings.Repeat("*", len(canary))
	if string(b) != "body" || res.Trailer.Get("X-Sum") != "up1" || res.Trailer.Get("X-Echo") != "Bearer "+stars || res.Trailer.Get("X-Late") != stars {
		t.Errorf("%s, %v", b, res.Trailer)
	}
}

// The client sends its body once the upstream wants it, and not if it does not.
func TestExpectContinue(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		_, _ = io.Copy(w, r.Body)
	})
	p := one(t, u, credproxy.Route{Auth: bearer()})
	for path, want := range map[string]int{"/api/yes": 200, "/api/no": 413} {
		read := false
		body := readerFunc(func(b []byte) (int, error) {
			if read {
				return 0, io.EOF
			}
			read = true
			return copy(b, "data"), nil
		})
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, p.URL+path, body)
		req.Header.Set("Expect", "100-continue")
		req.ContentLength = 4
		res, err := direct(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want || read != (want == 200) {
			t.Errorf("%s: %d, body read: %t", path, res.StatusCode, read)
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A client that goes away takes its upstream request with it.
func TestClientGoesAway(t *testing.T) {
	ended := make(chan struct{})
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(ended)
	})
	p := one(t, u, credproxy.Route{Auth: bearer()})
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/api/", nil)
	res, err := direct(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	_ = res.Body.Close()
	<-ended
	if e := p.wait("request", 1); e["decision"] != "allow" {
		t.Errorf("%v", e)
	}
}

// A client that only closed its sending half is not told that all went well.
func TestHalfClosedClient(t *testing.T) {
	u := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	p := one(t, u, credproxy.Route{Auth: bearer()})
	if answer := p.raw("GET /api/ HTTP/1.1\r\nHost: x\r\n\r\n"); answer != "" {
		t.Errorf("%s", answer)
	}
}

// An upstream that breaks off is not taken for one that has finished.
func TestUpstreamBreaksOff(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	p := one(t, u, credproxy.Route{Auth: bearer()})
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/api/", nil)
	res, err := direct(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if b, err := io.ReadAll(res.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%q, %v", b, err)
	}
}
