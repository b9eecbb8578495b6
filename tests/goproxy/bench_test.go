package goproxy_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A process is a proxy that runs.
type process struct {
	pid  int
	addr string
	cold time.Duration // from its start to its address
}

func start(b *testing.B, which string) process {
	b.Helper()
	u := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(bytes.Repeat([]byte("x"), 1024))
	}))
	b.Cleanup(u.Close)
	trust := filepath.Join(b.TempDir(), "trust.pem")
	if err := os.WriteFile(trust, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: u.Certificate().Raw}), 0o600); err != nil {
		b.Fatal(err)
	}
	c := exec.CommandContext(b.Context(), os.Args[0]) //nolint:gosec // this test itself
	c.Env = append(os.Environ(), "PROXY="+which, "UPSTREAM="+u.Listener.Addr().String(), "TRUST="+trust)
	out, err := c.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	begin := time.Now()
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return process{c.Process.Pid, strings.TrimSpace(line), time.Since(begin)}
}

// cpu is what the process has used, in ticks of 10 ms (proc(5)).
func (p process) cpu(b *testing.B) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

func (p process) client(keep bool) *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: p.addr}), DisableKeepAlives: !keep,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // what is measured is the other side
	}}
}

func get(b *testing.B, c *http.Client, host string) {
	b.Helper()
	res, err := c.Get("https://" + host + "/") //nolint:noctx // of a benchmark
	if err != nil {
		b.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		b.Fatal(res.Status)
	}
}

// BenchmarkProxies tells the CPU time of each proxy for a GET of 1 KiB, intercepted:
// on a connection that is kept, on a new one each time, and on a new one to a host
// that was not seen before.
func BenchmarkProxies(b *testing.B) {
	for _, way := range []string{"kept", "new", "new host"} {
		for _, which := range []string{"gate", "goproxy"} {
			b.Run(way+"/"+which, func(b *testing.B) {
				p := start(b, which)
				c := p.client(way == "kept")
				get(b, c, "example.com")
				before, n := p.cpu(b), 0
				for b.Loop() {
					host := "example.com"
					if n++; way == "new host" {
						host = fmt.Sprintf("h%d.example.com", n)
					}
					get(b, c, host)
				}
				b.ReportMetric(float64((p.cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
				b.ReportMetric(float64(p.cold.Milliseconds()), "cold-ms")
				c.CloseIdleConnections()
			})
		}
	}
}

// BenchmarkIdle tells the memory of each proxy at 1,000 idle tunnels, intercepted.
func BenchmarkIdle(b *testing.B) {
	for _, which := range []string{"gate", "goproxy"} {
		b.Run(which, func(b *testing.B) {
			p := start(b, which)
			for b.Loop() {
				var conns []net.Conn
				for range 1000 {
					conns = append(conns, tunnel(b, p.addr))
				}
				b.ReportMetric(p.memory(b), "MiB")
				for _, c := range conns {
					_ = c.Close()
				}
			}
		})
	}
}

func tunnel(b *testing.B, proxy string) net.Conn {
	b.Helper()
	c, err := net.Dial("tcp", proxy) //nolint:noctx // of a benchmark
	if err != nil {
		b.Fatal(err)
	}
	_, _ = io.WriteString(c, "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
	r := bufio.NewReader(c)
	if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != http.StatusOK { //nolint:bodyclose // it has none
		b.Fatal(err)
	}
	t := tls.Client(c, &tls.Config{ServerName: "example.com", InsecureSkipVerify: true}) //nolint:gosec // as above
	if err := t.HandshakeContext(b.Context()); err != nil {
		b.Fatal(err)
	}
	_, _ = io.WriteString(t, "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(t), nil)
	if err != nil {
		b.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return t
}

// memory is the resident memory of the process, in MiB.
func (p process) memory(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kb, _ := strconv.Atoi(strings.Fields(rest)[0])
	return float64(kb) / 1024
}
