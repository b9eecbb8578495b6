package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// checks are what the client can try. Each gets the text after its "=" and returns
// what it saw.
var checks = map[string]func(ctx context.Context, arg string) (string, error){ //nolint:gochecknoglobals // a table
	"get":     get,
	"refused": refused,
	"events":  events,
	"echo":    echoes,
	"down":    down,
	"up":      up,
	"leak":    leak,
	"issuer":  issuer,
	"fronted": fronted,
	"wait":    wait,

	"via":      via,
	"as":       as,
	"stranger": stranger,
	"absent":   absent,
	"file":     file,
}

// check tries each argument, "name=argument", and prints one line for each: "ok" or
// "FAIL", the argument and what it saw.
func check(args []string) error {
	failed := 0
	for _, a := range args {
		name, arg, _ := strings.Cut(a, "=")
		f := checks[name]
		if f == nil {
			return fmt.Errorf("there is no check %q", name)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		saw, err := f(ctx, arg)
		cancel()
		if err != nil {
			failed++
			fmt.Printf("FAIL %s: %v\n", a, err)
			continue
		}
		fmt.Printf("ok %s: %s\n", a, saw)
	}
	if failed > 0 {
		return fmt.Errorf("%d checks failed", failed)
	}
	return nil
}

// ask makes a request through the proxy that the environment names.
func ask(ctx context.Context, method, target string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, body) //nolint:gosec // where it goes is the test's to say
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(req) //nolint:gosec // see above
}

// said is the beginning of an answer, in one line.
func said(resp *http.Response) (string, error) {
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 2000))
	return fmt.Sprintf("%d %s", resp.StatusCode, strings.Join(strings.Fields(string(b)), " ")), err
}

func get(ctx context.Context, target string) (string, error) {
	resp, err := ask(ctx, http.MethodGet, target, nil)
	if err != nil {
		return "", err
	}
	s, err := said(resp)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(s)
	}
	return s, err
}

// refused wants the gate's own 403, on the request or on its CONNECT.
func refused(ctx context.Context, target string) (string, error) {
	resp, err := ask(ctx, http.MethodGet, target, nil) //nolint:bodyclose // said closes it
	if err != nil {
		if strings.HasSuffix(err.Error(), "Forbidden") {
			return err.Error(), nil
		}
		return "", err
	}
	return blocked(resp)
}

func blocked(resp *http.Response) (string, error) {
	s, err := said(resp)
	if err == nil && (resp.StatusCode != http.StatusForbidden || !strings.Contains(s, "blocked by bottle")) {
		err = errors.New("it was let through: " + s)
	}
	return s, err
}

// events reads five server-sent events of which each is sent only after this
// client acknowledged the one before.
func events(ctx context.Context, base string) (string, error) {
	const n = 5
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	id := strconv.Itoa(os.Getpid()) + url.QueryEscape(base)
	resp, err := ask(ctx, http.MethodGet, fmt.Sprintf("%s/events?n=%d&id=%s", base, n, url.QueryEscape(id)), nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	var late time.Duration
	seen := 0
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		number, sent, _ := strings.Cut(data, " ")
		at, err := time.Parse(time.RFC3339Nano, sent)
		if err != nil || number != strconv.Itoa(seen) {
			return "", fmt.Errorf("event %d is %q: %w", seen, data, err)
		}
		late = max(late, time.Since(at))
		seen++
		ack, err := ask(ctx, http.MethodPost, base+"/ack?id="+url.QueryEscape(id), nil)
		if err != nil {
			return "", err
		}
		_ = ack.Body.Close()
	}
	if seen != n {
		return "", fmt.Errorf("%d of %d events: %w", seen, n, lines.Err())
	}
	return fmt.Sprintf("%d events, the slowest %v after it was sent", n, late.Round(time.Microsecond)), nil
}

// echoes sends frames that come back, among them a large one.
func echoes(ctx context.Context, target string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	c, resp, err := websocket.Dial(ctx, target, nil) //nolint:bodyclose // the library closes it
	if err != nil {
		return "", fmt.Errorf("%w, %v", err, resp)
	}
	defer func() { _ = c.CloseNow() }()
	c.SetReadLimit(1 << 20)
	start := time.Now()
	for _, m := range []string{"hello", "", strings.Repeat("long ", 50_000), "over"} {
		if err := c.Write(ctx, websocket.MessageText, []byte(m)); err != nil {
			return "", err
		}
		if _, b, err := c.Read(ctx); err != nil || string(b) != m {
			return "", fmt.Errorf("sent %d bytes, %d came back: %w", len(m), len(b), err)
		}
	}
	return fmt.Sprintf("4 frames in %v", time.Since(start).Round(time.Microsecond)), c.Close(websocket.StatusNormalClosure, "")
}

// down reads n bytes of the server, of "n@base"; up sends as many to it.
func down(ctx context.Context, arg string) (string, error) {
	size, base, _ := strings.Cut(arg, "@")
	want, err := strconv.ParseInt(size, 10, 64)
	if err != nil {
		return "", err
	}
	start := time.Now()
	resp, err := ask(ctx, http.MethodGet, base+"/zeros?n="+size, nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || n != want {
		return "", fmt.Errorf("status %d, %d bytes: %w", resp.StatusCode, n, err)
	}
	return speed(n, start), nil
}

func up(ctx context.Context, arg string) (string, error) {
	size, base, _ := strings.Cut(arg, "@")
	want, err := strconv.ParseInt(size, 10, 64)
	if err != nil {
		return "", err
	}
	start := time.Now()
	resp, err := ask(ctx, http.MethodPost, base+"/sink", io.LimitReader(filler{}, want))
	if err != nil {
		return "", err
	}
	s, err := said(resp)
	if err == nil && s != "200 "+size {
		err = errors.New(s)
	}
	return speed(want, start), err
}

func speed(n int64, start time.Time) string {
	t := time.Since(start)
	return fmt.Sprintf("%d MiB in %v, %.0f MiB/s", n>>20, t.Round(time.Millisecond), float64(n>>20)/t.Seconds())
}

// leak sends what looks like a token of GitHub's, made here and not before, so that
// no file holds one. "warn:" before the address expects that it goes through.
func leak(ctx context.Context, target string) (string, error) {
	target, warned := strings.CutPrefix(target, "warn:")
	resp, err := ask(ctx, http.MethodPost, target, strings.NewReader("the token is ghp_"+"x9Kq2LmZ7vTbR4nW8sYc1HdJ6fGp3QaXeU5B"))
	if err != nil {
		return "", err
	}
	if warned {
		return said(resp)
	}
	return blocked(resp)
}

// issuer connects and says who signed the server's certificate, which is not
// verified: it is what the check is about.
func issuer(ctx context.Context, host string) (string, error) {
	c, err := tunnel(ctx, host+":443", host)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].Issuer.CommonName, nil
}

// fronted asks the gate for "host/name": a tunnel to host with another name in its
// handshake, which must not come about.
func fronted(ctx context.Context, arg string) (string, error) {
	host, name, _ := strings.Cut(arg, "/")
	c, err := tunnel(ctx, host+":443", name)
	if err != nil {
		return err.Error(), nil
	}
	defer c.Close()
	return "", errors.New("the handshake went through")
}

func tunnel(ctx context.Context, hostport, name string) (*tls.Conn, error) {
	gate, err := url.Parse(os.Getenv("HTTPS_PROXY"))
	if err != nil {
		return nil, err
	}
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", gate.Host)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(raw, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", hostport, hostport); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReaderSize(raw, 16), nil) //nolint:bodyclose // a CONNECT has none
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("CONNECT: %v: %w", resp, err)
	}
	c := tls.Client(raw, &tls.Config{ServerName: name, InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error { //nolint:gosec // see issuer
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: name, Roots: only(s)})
		return err
	}})
	return c, c.HandshakeContext(ctx)
}

// only trusts whoever signed what came: a chain is not the matter, the name is.
func only(s tls.ConnectionState) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range s.PeerCertificates {
		pool.AddCert(c)
	}
	return pool
}

// wait lets the test measure: it goes on when a line comes.
func wait(_ context.Context, what string) (string, error) {
	fmt.Printf("waiting %s\n", what)
	_, err := bufio.NewReader(os.Stdin).ReadString('\n')
	return "", err
}
