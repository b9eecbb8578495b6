package pipelock

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
	"sync"
	"time"

	"github.com/bottle-run/bottle/sidecar"
)

// helloTimeout bounds the wait for the first bytes of a tunnel and for its
// handshake.
const helloTimeout = 30 * time.Second

func upstreamTLS(roots *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

// connect answers a CONNECT: it decides about the host, then about what comes
// through the tunnel.
func (x *exchange) connect() {
	x.host = x.r.Host
	t, err := newTarget("tcp", x.r.Host, 0)
	if err == nil && t.port == 0 {
		err = errors.New("CONNECT names no port")
	}
	if err != nil {
		x.refuse(http.StatusForbidden, verdict{reason: err.Error()})
		return
	}
	x.target = t
	v := x.force.policy.decide(ask{client: x.client, target: t})
	if !v.ok {
		x.refuse(http.StatusForbidden, v)
		return
	}
	conn, rw, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		x.refuse(http.StatusInternalServerError, verdict{reason: err.Error()})
		return
	}
	if _, err := conn.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
		_ = conn.Close()
		return
	}
	if v.rule != nil && v.rule.TCP {
		// Some servers speak first: there may be nothing to look at.
		if reason := x.through(&peeked{Conn: conn, r: rw.Reader}, nil); reason != "" {
			_ = conn.Close()
			x.gate.events.Audit(x.event(sidecar.Deny, http.StatusOK, verdict{rule: v.rule, reason: reason}))
		}
		return
	}
	if reason := x.tunnel(&peeked{Conn: conn, r: rw.Reader}); reason != "" {
		_ = conn.Close()
		x.gate.events.Audit(x.event(sidecar.Deny, http.StatusOK, verdict{rule: v.rule, reason: reason}))
	}
}

// tunnel looks at the first byte of what the client sends and hands the
// connection on. It returns why it did not; whoever it hands it to closes it.
func (x *exchange) tunnel(conn *peeked) (reason string) {
	_ = conn.SetReadDeadline(time.Now().Add(helloTimeout))
	first, err := conn.r.Peek(1)
	_ = conn.SetReadDeadline(time.Time{})
	x.force = x.gate.force.Load() // the rules may have changed while it was silent
	switch {
	case errors.Is(err, io.EOF):
		return "the client closed the tunnel before it used it"
	case err != nil:
		return "nothing came through the tunnel"
	case first[0] == 0x16 && x.force.policy.passes(x.target.host): // a TLS handshake record (RFC 8446, 5.1)
		return x.passthrough(conn)
	case first[0] == 0x16:
		return x.intercept(conn)
	case x.target.port == 80:
		x.target.scheme = "http"
		x.gate.inner.push(&innerConn{Conn: conn, client: x.client, ticket: x.ticket, target: x.target})
		return ""
	}
	return "what comes through the tunnel is not TLS, so nobody could read it"
}

// intercept ends the client's TLS with a certificate of the launch's CA.
func (x *exchange) intercept(conn *peeked) (reason string) {
	x.target.scheme = "https"
	var mismatch error
	server := tls.Server(conn, &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if mismatch = x.checkSNI(h.ServerName, true); mismatch != nil {
				return nil, mismatch
			}
			return x.gate.ca.Leaf(x.target.host)
		},
	})
	ctx, cancel := context.WithTimeout(context.Background(), helloTimeout)
	defer cancel()
	if err := server.HandshakeContext(ctx); err != nil {
		if mismatch != nil {
			return mismatch.Error()
		}
		return "the TLS handshake with the client failed (does it trust /run/bottle/ca.pem?): " + err.Error()
	}
	x.gate.inner.push(&innerConn{Conn: server, client: x.client, ticket: x.ticket, target: x.target})
	return ""
}

// checkSNI holds the name in the TLS handshake against the tunnel's. A client that
// sends none speaks to the tunnel's host, unless nobody reads what follows.
func (x *exchange) checkSNI(name string, noneIsFine bool) error {
	if name == "" && noneIsFine {
		return nil
	}
	host, err := sidecar.CanonicalHost(name)
	if err != nil || host != x.target.host {
		return fmt.Errorf("the tunnel is to %s and its TLS handshake names %q", x.target.host, name)
	}
	return nil
}

// errHello ends a handshake once its first message is known.
var errHello = errors.New("hello read")

// passthrough relays a tunnel without opening it, after its handshake named the
// host that was decided about.
func (x *exchange) passthrough(conn *peeked) (reason string) {
	tape := &taped{Conn: conn}
	var name string
	_ = tape.SetReadDeadline(time.Now().Add(helloTimeout))
	err := tls.Server(tape, &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			name = h.ServerName
			return nil, errHello
		},
	}).HandshakeContext(context.Background())
	_ = tape.SetReadDeadline(time.Time{})
	if !errors.Is(err, errHello) {
		return "the tunnel does not begin with a TLS handshake"
	}
	if err := x.checkSNI(name, false); err != nil {
		return err.Error()
	}
	return x.through(conn, tape.read)
}

// through relays a tunnel that nobody reads, from head on.
func (x *exchange) through(conn net.Conn, head []byte) (reason string) {
	a := ask{client: x.client, target: x.target, blind: true}
	v := x.force.policy.decide(a)
	if !v.ok {
		return v.reason
	}
	grant := x.force.grant(v)
	if err := grant.spend(x.start); err != nil {
		return err.Error()
	}
	ctx, done := x.gate.follow(context.Background(), a)
	defer done()
	ctx, cancel := grant.until(ctx)
	defer cancel()
	up, err := x.force.ways[x.client].tunnel(ctx, x.target.String())
	if err != nil {
		return err.Error()
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close(); _ = up.Close() })()
	_ = grant.add(len(head)) // too much already ends with the next bytes
	in, out := relay(&metered{conn, grant}, up, head)
	ev := x.event(sidecar.Allow, http.StatusOK, v)
	ev.BytesIn, ev.BytesOut = in, out
	x.gate.events.Audit(ev)
	return ""
}

// relay copies both ways until both ended, head first, and closes both.
func relay(client, up net.Conn, head []byte) (in, out int64) {
	defer client.Close()
	defer up.Close()
	var wg sync.WaitGroup
	wg.Go(func() {
		n, err := up.Write(head)
		in = int64(n)
		if err == nil {
			n, _ := io.Copy(up, client)
			in += n
		}
		closeWrite(up)
	})
	wg.Go(func() {
		out, _ = io.Copy(client, up)
		closeWrite(client)
	})
	wg.Wait()
	return in, out
}

func closeWrite(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		return
	}
	_ = c.Close()
}

// peeked is a connection whose first bytes are in a buffer.
type peeked struct {
	net.Conn
	r *bufio.Reader
}

// Read implements io.Reader.
func (p *peeked) Read(b []byte) (int, error) { return p.r.Read(b) }

// CloseWrite ends the sending side.
func (p *peeked) CloseWrite() error {
	if half, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return p.Close()
}

// taped remembers what is read and writes nothing: the handshake that is only
// listened to must not be answered.
type taped struct {
	net.Conn
	read []byte
}

// Read implements io.Reader.
func (t *taped) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.read = append(t.read, b[:n]...)
	return n, err
}

// Write implements io.Writer.
func (t *taped) Write(b []byte) (int, error) { return len(b), nil }
