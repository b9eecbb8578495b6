package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// A traffic is a kind of load.
type traffic struct {
	title string
	path  string
	conns int
	per   string // what is counted: requests, or events of a stream
}

// A stream has so many events; the pause between two keeps 64 streams below what
// two cores can carry.
const (
	streamEvents = 50
	quickPause   = time.Millisecond
	slowPause    = 20 * time.Millisecond
)

// roundTime is for how long one proxy is loaded at a time.
const roundTime = 1500 * time.Millisecond

func traffics() []traffic {
	return []traffic{
		{"GET of 1 KiB, 1 connection", "/small", 1, "request"},
		{"GET of 1 KiB, 64 connections", "/small", 64, "request"},
		{"SSE, 1 stream", "/quick", 1, "event"},
		{"SSE, 64 streams", "/slow", 64, "event"},
	}
}

// A load is what one proxy did in one round.
type load struct{ rate, cpu, p50, p99 float64 } // per second, µs each, ms, ms

func benchProxy(ctx context.Context, o options) error {
	up, err := newUpstream()
	if err != nil {
		return err
	}
	defer up.close()
	proxies, versions, err := startProxies(ctx, o, up.addr)
	for _, p := range proxies {
		defer p.stop()
	}
	if err != nil {
		return err
	}
	fmt.Printf("\n## cred-proxy beside a bare httputil.ReverseProxy and nginx\n\n")
	fmt.Printf("%s; %d rounds of %v of each, in turn; medians\n`%s`\n\n", machine(versions), o.rounds, roundTime, command("proxy"))
	fmt.Println("| | proxy | per second | p50 | p99 | CPU of the proxy | beside the bare one | target |")
	fmt.Println("|---|---|---:|---:|---:|---:|---:|---|")
	for _, t := range traffics() {
		if err := benchTraffic(ctx, o, t, proxies); err != nil {
			return err
		}
	}
	fmt.Println()
	return nil
}

func benchTraffic(ctx context.Context, o options, t traffic, proxies []*proxyProcess) error {
	loads := make([][]load, len(proxies))
	for range o.rounds {
		for i, p := range proxies {
			l, err := p.load(ctx, t)
			if err != nil {
				return fmt.Errorf("%s: %s: %w", t.title, p.title, err)
			}
			loads[i] = append(loads[i], l)
		}
	}
	cpu := func(l load) float64 { return l.cpu }
	bare := median(loads[0], cpu)
	for i, p := range proxies {
		target := ""
		if p.title == "cred-proxy" {
			target = "1.3"
		}
		fmt.Printf("| %s | %s | %.0f | %.2f ms | %.2f ms | %.0f µs/%s | %.2f | %s |\n", t.title, p.title,
			median(loads[i], func(l load) float64 { return l.rate }), median(loads[i], func(l load) float64 { return l.p50 }),
			median(loads[i], func(l load) float64 { return l.p99 }), median(loads[i], cpu), t.per, median(loads[i], cpu)/bare, target)
	}
	return nil
}

// load drives one proxy for one round.
func (p *proxyProcess) load(ctx context.Context, t traffic) (load, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: t.conns}
	defer transport.CloseIdleConnections()
	workers := make(chan worker, t.conns)
	before, start := p.cpu(), time.Now()
	for range t.conns {
		go func() { workers <- drive(ctx, transport, p.url+t.path, start.Add(roundTime)) }()
	}
	var all worker
	for range t.conns {
		w := <-workers
		all.count += w.count
		all.took = append(all.took, w.took...)
		if w.err != nil {
			all.err = w.err
		}
	}
	took := time.Since(start)
	used := p.cpu() - before
	if all.err == nil && all.count == 0 {
		all.err = fmt.Errorf("nothing came through in %v", roundTime)
	}
	if all.err != nil {
		return load{}, all.err
	}
	return load{
		rate: float64(all.count) / took.Seconds(), cpu: float64(used.Nanoseconds()) / 1e3 / float64(all.count),
		p50: percentile(all.took, 50), p99: percentile(all.took, 99),
	}, nil
}

// A worker is one connection's work.
type worker struct {
	count int
	took  []float64 // ms each
	err   error
}

// drive makes one request after the other until the end of the round.
func drive(ctx context.Context, transport http.RoundTripper, url string, end time.Time) (w worker) {
	for time.Now().Before(end) {
		start := time.Now()
		n, err := request(ctx, transport, url, func() {
			w.took = append(w.took, float64(time.Since(start).Microseconds())/1e3)
			start = time.Now()
		})
		w.count += n
		if err != nil {
			w.err = err
			return w
		}
	}
	return w
}

// request makes one request, and calls each for every event of its answer, or once
// for an answer that is no stream.
func request(ctx context.Context, transport http.RoundTripper, url string, each func()) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s answered %s", url, resp.Status)
	}
	n := 0
	stream := resp.Header.Get("Content-Type") == "text/event-stream"
	for r := bufio.NewReader(resp.Body); ; {
		line, err := r.ReadString('\n')
		if stream && strings.HasPrefix(line, "data:") {
			n++
			each()
		}
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return n, err
		}
	}
	if !stream {
		n++
		each()
	}
	return n, nil
}

// upstream is what the proxies stand in front of.
type upstream struct {
	addr string
	srv  *http.Server
}

func newUpstream() (*upstream, error) {
	l, err := listen()
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	body := []byte(strings.Repeat("0123456789abcde\n", 64))
	mux.HandleFunc("/small", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(body)
	})
	mux.HandleFunc("/quick", func(w http.ResponseWriter, _ *http.Request) { events(w, quickPause) })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) { events(w, slowPause) })
	// Without the credential there is nothing to measure.
	guarded := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+secret {
			http.Error(w, "no key", http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	})
	u := &upstream{l.Addr().String(), &http.Server{Handler: guarded, ReadHeaderTimeout: time.Minute}}
	go func() { _ = u.srv.Serve(l) }() // ends with close
	return u, nil
}

func (u *upstream) close() { _ = u.srv.Close() }

func events(w http.ResponseWriter, pause time.Duration) {
	w.Header().Set("Content-Type", "text/event-stream")
	for i := range streamEvents {
		fmt.Fprintf(w, "event: delta\ndata: {\"index\":%d,\"text\":\"%s\"}\n\n", i, "some words of an answer, as a model streams them")
		if http.NewResponseController(w).Flush() != nil {
			return
		}
		time.Sleep(pause)
	}
}
