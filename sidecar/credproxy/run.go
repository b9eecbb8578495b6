package credproxy

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/bottle-run/bottle/sidecar"
)

// Options are how a cred-proxy runs.
type Options struct {
	Stdin  io.Reader // see the protocol in package sidecar
	Stdout io.Writer
	Stderr io.Writer
	// Routes is a file that holds the Config, used when the first message has
	// none and the file exists: "/run/cred-proxy/routes.json". Empty for none.
	Routes string
	// Roots verify upstreams; nil for the public ones.
	Roots *x509.CertPool
}

// Run is the whole sidecar. It returns when ctx is done or the launcher's stream
// ends; then every connection is closed. An error is also reported on Stdout.
func Run(ctx context.Context, o Options) error {
	return sidecar.Run(ctx, sidecar.Streams{Stdin: o.Stdin, Stdout: o.Stdout},
		func(ctx context.Context, inputs sidecar.Message, events *sidecar.Events) (sidecar.Service, error) {
			return start(ctx, o, inputs, events)
		})
}

// A server is a running cred-proxy.
type server struct {
	proxy    *proxy
	listener net.Listener
	roots    *x509.CertPool
	routes   []byte // what Options.Routes held
	conns    sidecar.Conns
}

func start(ctx context.Context, o Options, inputs sidecar.Message, events *sidecar.Events) (*server, error) {
	s := &server{
		roots: o.Roots,
		proxy: &proxy{events: events, memory: semaphore.NewWeighted(maxMemory), log: log.New(o.Stderr, "cred-proxy: ", 0)},
	}
	if _, ok := inputs[InputConfig]; !ok && o.Routes != "" {
		routes, err := os.ReadFile(o.Routes)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("reading the routes: %w", err)
		}
		s.routes = routes
	}
	if s.roots == nil {
		roots, err := sidecar.Roots()
		if err != nil {
			return nil, err
		}
		s.roots = roots
	}
	if err := s.Apply(inputs, inputs); err != nil {
		return nil, err
	}
	var err error
	s.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", s.proxy.table.Load().config.Listen)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	if t := s.proxy.table.Load(); t.gate.url == "" && strings.HasPrefix(t.config.Listen, ":") {
		s.listener = &insideListener{Listener: s.listener, events: events, lookup: localHosts}
	}
	return s, nil
}

// Listening implements sidecar.Service.
func (s *server) Listening() []string { return []string{s.listener.Addr().String()} }

// Apply implements sidecar.Service.
func (s *server) Apply(inputs, message sidecar.Message) error {
	config, err := s.config(inputs)
	if err != nil {
		return err
	}
	old := s.proxy.table.Load()
	var former []*route
	if old != nil {
		former = old.routes
	}
	next, err := newTable(config, inputs, former)
	if err != nil {
		return err
	}
	slots := next.slots()
	if err := unknown(message, slots); err != nil {
		return err
	}
	switch {
	case old == nil:
	case old.config.Listen != next.config.Listen:
		return fmt.Errorf("listen cannot change from %s while the sidecar runs", old.config.Listen)
	case old.gate.equal(next.gate):
		next.transport = old.transport
	}
	if next.transport == nil {
		if next.transport, err = newTransport(next.gate, s.roots, &s.conns); err != nil {
			return err
		}
	}
	for name, value := range inputs {
		switch {
		case !slots[name]:
			delete(inputs, name) // a secret that no route uses any more
		case len(value) < minSecret && message[name] != nil && !isReserved(name):
			s.proxy.log.Printf("the value of %s is shorter than %d bytes: answers are not searched for it", name, minSecret)
		}
	}
	next.inherit(old)
	s.proxy.settle(slices.Collect(maps.Keys(message)))
	s.proxy.table.Store(next)
	next.begin(old)
	return nil
}

// config returns the configuration that is in force with inputs.
func (s *server) config(inputs sidecar.Message) (Config, error) {
	raw, from := []byte(inputs[InputConfig]), InputConfig
	if raw == nil {
		raw, from = s.routes, "routes"
	}
	if raw == nil {
		return Config{}, errors.New("wiring: no routes: the first message has no config and there is no file of routes")
	}
	var c Config
	if err := sidecar.Decode(raw, &c); err != nil {
		return Config{}, fmt.Errorf("%s: %w", from, err)
	}
	return c, nil
}

// unknown refuses a message with values that nothing uses: a launcher that sends
// them means something that would not happen.
func unknown(message sidecar.Message, slots map[string]bool) error {
	var names []string
	for name := range message {
		if !slots[name] {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return fmt.Errorf("no route uses %s", strings.Join(names, ", "))
}

// Serve implements sidecar.Service.
func (s *server) Serve(ctx context.Context) error {
	srv := &http.Server{
		Handler:           s.proxy,
		ReadHeaderTimeout: 30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    256 << 10,
		ErrorLog:          s.proxy.log,
		// No ReadTimeout and no WriteTimeout: bodies are streams.
	}
	err := sidecar.Serve(ctx, srv, s.listener, &s.conns)
	t := s.proxy.table.Load()
	t.transport.CloseIdleConnections()
	for _, r := range t.routes {
		r.grant.end(errRevoked)
	}
	return err
}
