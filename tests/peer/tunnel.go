package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
)

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
