package credproxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bottle-run/bottle/sidecar/credproxy"
)

// cpu returns the time that this process has computed, for a user and in the
// kernel.
func cpu() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// benchUpstream is plain HTTP on loopback, so that what is measured is the proxy
// and not TLS: a small answer, and a stream of 100 events.
func benchUpstream(b *testing.B) *httptest.Server {
	b.Helper()
	u := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/sse" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"id":"msg_0123456789","type":"message","content":[{"type":"text","text":"Hello, world."}]}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		flush := http.NewResponseController(w)
		for i := range 100 {
			_, _ = fmt.Fprintf(w, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" word%d\"}}\n\n", i)
			_ = flush.Flush()
		}
	}))
	b.Cleanup(u.Close)
	return u
}

// bare is the least that injects a header.
func bare(b *testing.B, upstream string) string {
	b.Helper()
	to, _ := url.Parse(upstream)
	tr := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	p := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.URL.Path = strings.TrimPrefix(r.Out.URL.Path, "/api")
			r.Out.Header.Set("Authorization", "Bearer "+canary)
		},
		Transport: tr, FlushInterval: -1,
	})
	b.Cleanup(func() {
		p.Close()
		tr.CloseIdleConnections()
	})
	return p.URL
}

// BenchmarkProxy is the cred-proxy beside a bare ReverseProxy, each with client
// and upstream in the same process. "none" goes to the upstream directly: what it
// costs is to be subtracted from the others. The figure is cpu-µs/req.
func BenchmarkProxy(b *testing.B) {
	u := benchUpstream(b)
	ours := run(b, credproxy.Options{}, credproxy.Config{Routes: []credproxy.Route{{Path: "/api/", Upstream: u.URL, PlainHTTP: true, Auth: bearer()}}}, nil)
	ours.mute()
	bareURL := bare(b, u.URL)
	for _, path := range []string{"/small", "/sse"} {
		for _, conns := range []int{1, 64} {
			for _, target := range []struct{ name, url string }{{"none", u.URL}, {"bare", bareURL + "/api"}, {"ours", ours.URL + "/api"}} {
				b.Run(fmt.Sprintf("%s/%d/%s", path[1:], conns, target.name), func(b *testing.B) { load(b, target.url+path, conns) })
			}
		}
	}
}

// load sends b.N requests over so many connections, with a client that does next
// to nothing.
func load(b *testing.B, target string, conns int) {
	b.Helper()
	u, _ := url.Parse(target)
	request := "GET " + u.Path + " HTTP/1.1\r\nHost: " + u.Host + "\r\nUser-Agent: bench\r\nAccept: */*\r\nAuthorization: Bearer placeholder\r\n\r\n"
	work := make(chan struct{}, 1024)
	var wg sync.WaitGroup
	var open []net.Conn
	for range conns {
		c, err := net.Dial("tcp", u.Host) //nolint:noctx // of a benchmark
		if err != nil {
			b.Fatal(err)
		}
		open = append(open, c)
	}
	b.ReportAllocs()
	b.ResetTimer()
	start := cpu()
	for _, c := range open {
		wg.Go(func() {
			r := bufio.NewReader(c)
			for range work {
				_, _ = io.WriteString(c, request)
				res, err := http.ReadResponse(r, nil)
				if err != nil || res.StatusCode != http.StatusOK {
					b.Error(res, err)
					continue
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
		})
	}
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	wg.Wait()
	b.ReportMetric(float64((cpu()-start).Microseconds())/float64(b.N), "cpu-µs/req")
	b.StopTimer()
	for _, c := range open {
		_ = c.Close()
	}
}

// BenchmarkStream passes a megabyte in pieces of a kilobyte, as in a second of a
// stream, without and with a search for secrets. CPU of client, proxy and upstream
// together.
func BenchmarkStream(b *testing.B) {
	piece := make([]byte, 1024)
	_, _ = new(pattern).Read(piece)
	for i := range piece {
		piece[i] = "abcdefghijklmnopqrstuvwxyz {}\":,"[piece[i]%32]
	}
	u := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		flush := http.NewResponseController(w)
		for range 1024 {
			_, _ = w.Write(piece)
			_ = flush.Flush()
		}
	}))
	b.Cleanup(u.Close)
	p := run(b, credproxy.Options{}, credproxy.Config{Routes: []credproxy.Route{
		{Path: "/api/", Upstream: u.URL, PlainHTTP: true, Auth: bearer()}, {Path: "/free/", Upstream: strings.Replace(u.URL, "127.0.0.1", "localhost", 1), PlainHTTP: true},
	}}, nil)
	p.mute()
	for _, path := range []string{"/free/", "/api/"} {
		b.Run(map[string]string{"/free/": "unsearched", "/api/": "searched"}[path], func(b *testing.B) {
			c := direct(b)
			b.SetBytes(1 << 20)
			start := cpu()
			for b.Loop() {
				req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, p.URL+path, nil)
				res, err := c.Do(req)
				if err != nil {
					b.Fatal(err)
				}
				if n, _ := io.Copy(io.Discard, res.Body); n != 1<<20 {
					b.Fatal(n)
				}
				_ = res.Body.Close()
			}
			b.ReportMetric(float64(b.N)/(cpu()-start).Seconds(), "MB/cpu-s")
		})
	}
}
