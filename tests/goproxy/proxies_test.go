// Package goproxy_test measures the gate beside bare goproxy, each in a process of its
// own: a module of its own, because goproxy is for nothing else.
package goproxy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"testing"

	"github.com/elazarl/goproxy"

	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/pipelock"
)

// TestMain is also each of the proxies, in a process that the benchmarks start.
func TestMain(m *testing.M) {
	switch os.Getenv("PROXY") {
	case "gate":
		if err := serveGate(os.Getenv("UPSTREAM")); err != nil {
			log.Fatal(err)
		}
	case "goproxy":
		if err := serveGoproxy(os.Getenv("UPSTREAM")); err != nil {
			log.Fatal(err)
		}
	default:
		os.Exit(m.Run())
	}
}

// anywhere resolves every name to an address of the outside world.
type anywhere struct{}

func (anywhere) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("93.184.216.34")}, nil
}

func serveGate(upstream string) error {
	trust, err := os.ReadFile(os.Getenv("TRUST"))
	if err != nil {
		return err
	}
	config, err := json.Marshal(pipelock.Config{
		Listen: "127.0.0.1:0", DNS: "127.0.0.1:0", DLP: "block", Trust: string(trust), Allow: []pipelock.Rule{{Host: "example.com"}, {Host: "*.example.com"}},
	})
	if err != nil {
		return err
	}
	cert, key, err := sidecar.NewCA("bench")
	if err != nil {
		return err
	}
	message, err := json.Marshal(map[string][]byte{"config": config, "ca.pem": cert, "ca-key.pem": key})
	if err != nil {
		return err
	}
	stdin, w := io.Pipe()
	out, stdout := io.Pipe()
	go func() { _, _ = w.Write(append(message, '\n')) }()
	go func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			var e struct {
				Event  string
				Listen []string
			}
			if json.Unmarshal(s.Bytes(), &e) == nil && e.Event == "ready" {
				fmt.Println(e.Listen[0])
			}
		}
	}()
	return pipelock.Run(context.Background(), pipelock.Options{
		Stdin: stdin, Stdout: stdout, Stderr: io.Discard, Resolver: anywhere{},
		Connect: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, upstream)
		},
	})
}

func serveGoproxy(upstream string) error {
	// With a CA like the gate's it makes ECDSA keys, which cost a tenth of its own.
	cert, key, err := sidecar.NewCA("bench")
	if err != nil {
		return err
	}
	if goproxy.GoproxyCa, err = tls.X509KeyPair(cert, key); err != nil {
		return err
	}
	p := goproxy.NewProxyHttpServer()
	p.OnRequest().HandleConnect(goproxy.AlwaysMitm)
	p.Tr = &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // it is the kinder measure for goproxy
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, upstream)
		},
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return http.Serve(l, p) //nolint:gosec // of a benchmark
}
