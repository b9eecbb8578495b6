package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/bottle-run/bottle/sidecar/credproxy"
)

// proxy is an HTTP proxy that alone knows where the names in its arguments are:
// "corp.test=world". It leads nowhere else.
func proxy(args []string) error {
	known := map[string]string{}
	for _, a := range args {
		name, host, _ := strings.Cut(a, "=")
		known[name] = host
	}
	s := &http.Server{Addr: ":3128", ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, port, err := net.SplitHostPort(r.Host)
		if r.Method != http.MethodConnect || err != nil || known[name] == "" {
			http.Error(w, "this proxy leads nowhere else", http.StatusForbidden)
			return
		}
		if err := relay(w, net.JoinHostPort(known[name], port)); err != nil {
			log.Print(err)
		}
	})}
	return s.ListenAndServe()
}

func relay(w http.ResponseWriter, to string) error {
	up, err := new(net.Dialer).DialContext(context.Background(), "tcp", to)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return err
	}
	defer up.Close()
	down, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return err
	}
	defer down.Close()
	if _, err := io.WriteString(down, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(up, down) // ends with the other way
		_ = up.Close()
	}()
	_, err = io.Copy(down, up)
	return err
}

// credProxy is a cred-proxy that knows nothing of bottle's but what docs/sidecars.md
// says to an image: the routes in a file, the CA in the trust store, the secrets on
// standard input.
func credProxy([]string) error {
	raw, err := os.ReadFile("/run/cred-proxy/routes.json")
	if err != nil {
		return err
	}
	var config credproxy.Config
	if err := json.Unmarshal(raw, &config); err != nil {
		return err
	}
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return err
	}
	var secrets map[string][]byte
	if err := json.Unmarshal(line, &secrets); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	for _, r := range config.Routes {
		h, err := forward(config.Proxy, string(secrets["proxy-token"]), r, secrets[r.Auth.Secret])
		if err != nil {
			return err
		}
		mux.Handle(r.Path, http.StripPrefix(strings.TrimSuffix(r.Path, "/"), h))
	}
	s := &http.Server{Addr: config.Listen, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		_, _ = io.Copy(io.Discard, in) // the launcher is gone
		_ = s.Close()
	}()
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// forward is one route. The roots are the system's: those of the image.
func forward(gate, token string, r credproxy.Route, key []byte) (http.Handler, error) {
	up, err := url.Parse(r.Upstream)
	if err != nil {
		return nil, err
	}
	through, err := url.Parse(gate)
	if err != nil {
		return nil, err
	}
	through.User = url.UserPassword("cred-proxy", token)
	return &httputil.ReverseProxy{
		Transport: &http.Transport{Proxy: http.ProxyURL(through)},
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(up)
			p.Out.Header.Set("Authorization", "Bearer "+string(key))
			p.Out.Header.Set("Via", "1.1 foreign")
		},
	}, nil
}

// health is the image's HEALTHCHECK.
func health([]string) error {
	resp, err := ask(context.Background(), http.MethodGet, "http://127.0.0.1:9099/healthz", nil)
	if err != nil {
		return err
	}
	_, err = said(resp)
	return err
}
