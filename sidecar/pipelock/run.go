package pipelock

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/dlp"
)

// Options are how a gate runs.
type Options struct {
	Stdin  io.Reader // see the protocol in package sidecar
	Stdout io.Writer
	Stderr io.Writer
	// Resolver looks names up; nil is the system's.
	Resolver Resolver
	// Connect dials an address that was checked; nil is net.Dialer's.
	Connect func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Run is the whole sidecar. It returns when ctx is done or the launcher's stream
// ends; then every connection is closed. An error is also reported on Stdout.
func Run(ctx context.Context, o Options) error {
	return sidecar.Run(ctx, sidecar.Streams{Stdin: o.Stdin, Stdout: o.Stdout},
		func(ctx context.Context, inputs sidecar.Message, events *sidecar.Events) (sidecar.Service, error) {
			return start(ctx, o, inputs, events)
		})
}

// A server is a running gate.
type server struct {
	gate *Gate
	tcp  net.Listener
	udp  net.PacketConn
	dns  net.Listener
}

func start(ctx context.Context, o Options, inputs sidecar.Message, events *sidecar.Events) (sidecar.Service, error) {
	g := &Gate{
		events: events, resolver: o.Resolver, connect: o.Connect, inner: newInnerListener(),
		log: log.New(o.Stderr, "pipelock: ", 0), token: inputs[InputToken],
	}
	if g.resolver == nil {
		g.resolver = net.DefaultResolver
	}
	if g.connect == nil {
		g.connect = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	var err error
	if g.ca, err = sidecar.LoadCA(inputs[InputCACert], inputs[InputCAKey]); err != nil {
		return nil, err
	}
	g.scanner = soon(g.log)
	s := &server{gate: g}
	if err := s.Apply(inputs, inputs); err != nil {
		return nil, err
	}
	if err := s.listen(ctx, g.force.Load().policy.Config); err != nil {
		s.close()
		return nil, fmt.Errorf("listening: %w", err)
	}
	return s, nil
}

// soon starts to make a scanner, and returns a function that waits for it.
func soon(log *log.Logger) func() *dlp.Scanner {
	made := make(chan *dlp.Scanner, 1)
	get := sync.OnceValue(func() *dlp.Scanner { return <-made })
	go func() {
		s, err := dlp.New()
		if err != nil { // gitleaks' rules are a part of this executable
			log.Panic(err)
		}
		made <- s
	}()
	return get
}

func (s *server) listen(ctx context.Context, c Config) (err error) {
	var lc net.ListenConfig
	if s.tcp, err = lc.Listen(ctx, "tcp", c.Listen); err != nil {
		return err
	}
	// The same port on both, also where the configuration leaves it open: then the
	// one that is free for UDP may be taken for TCP.
	for range 10 {
		if s.udp, err = lc.ListenPacket(ctx, "udp", c.DNS); err != nil {
			return err
		}
		if s.dns, err = lc.Listen(ctx, "tcp", s.udp.LocalAddr().String()); err == nil || !strings.HasSuffix(c.DNS, ":0") {
			return err
		}
		_ = s.udp.Close()
	}
	return err
}

func (s *server) close() {
	for _, c := range []io.Closer{s.tcp, s.udp, s.dns} {
		if c != nil {
			_ = c.Close()
		}
	}
}

// Listening implements sidecar.Service.
func (s *server) Listening() []string {
	return []string{s.tcp.Addr().String(), s.udp.LocalAddr().String()}
}

// Apply implements sidecar.Service. The addresses and the CA stay as they were.
func (s *server) Apply(inputs, message sidecar.Message) error {
	if _, ok := message[InputConfig]; !ok {
		return fmt.Errorf("the message holds no %s", InputConfig)
	}
	var c Config
	if err := sidecar.Decode(inputs[InputConfig], &c); err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	if len(c.Upstreams) > 0 && len(inputs[InputToken]) == 0 {
		return fmt.Errorf("there are upstreams for the cred-proxy, and no %s by which it is known", InputToken)
	}
	return s.gate.apply(c)
}

// Limits against clients that are slow or endless on purpose.
const (
	headerTimeout = 30 * time.Second
	idleTimeout   = 5 * time.Minute
	maxHeader     = 256 << 10
)

// Serve implements sidecar.Service.
func (s *server) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	front := s.server(s.gate)
	inner := s.server(http.HandlerFunc(s.gate.serveInner))
	// A tunnel's TLS is ended before: what this server gets is plain.
	inner.Protocols = new(http.Protocols)
	inner.Protocols.SetHTTP1(true)
	inner.Protocols.SetUnencryptedHTTP2(true)
	inner.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, innerKey{}, c)
	}
	var wg sync.WaitGroup
	wg.Go(func() { (&refuser{events: s.gate.events}).serve(ctx, s.udp, s.dns) })
	wg.Go(func() { _ = inner.Serve(s.gate.inner) }) // says only that the listener is closed
	err := sidecar.Serve(ctx, front, s.tcp, &s.gate.upstreams)
	cancel()
	_ = inner.Close()
	_ = s.gate.inner.Close()
	s.gate.force.Load().close()
	wg.Wait()
	return err
}

func (s *server) server(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader, ErrorLog: s.gate.log,
	}
}
