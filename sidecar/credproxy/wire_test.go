package credproxy_test

import (
	"bytes"
	"crypto/tls"
	"net"
	"strings"
	"sync"
	"testing"
)

// A wire is an upstream that keeps every byte that reaches it, as it came out of
// TLS.
type wire struct {
	*upstream
	bytes struct {
		sync.Mutex
		conns []*bytes.Buffer
	}
}

// listenWire starts an upstream that keeps what arrives.
func listenWire(tb testing.TB) *wire {
	tb.Helper()
	w := &wire{upstream: unstarted(nil)}
	// httptest makes the certificate; the listener below it does TLS, so that what is
	// above sees the bytes.
	signer := serve(tb, nil)
	inner := tls.NewListener(w.Listener, signer.TLS)
	w.Listener = &wireListener{inner, w}
	w.Start()
	tb.Cleanup(w.Close)
	w.URL = strings.Replace(w.URL, "http://", "https://", 1)
	w.signer = signer.Certificate()
	return w
}

type wireListener struct {
	net.Listener
	wire *wire
}

func (l *wireListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	b := new(bytes.Buffer)
	l.wire.bytes.Lock()
	l.wire.bytes.conns = append(l.wire.bytes.conns, b)
	l.wire.bytes.Unlock()
	return &wireConn{c, l.wire, b}, nil
}

type wireConn struct {
	net.Conn
	wire *wire
	buf  *bytes.Buffer
}

func (c *wireConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.wire.bytes.Lock()
	defer c.wire.bytes.Unlock()
	_, _ = c.buf.Write(p[:n])
	return n, err
}
