package sidecar_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bottle-run/bottle/sidecar"
)

func newCA(t *testing.T) (*sidecar.CA, []byte) {
	t.Helper()
	certPEM, keyPEM, err := sidecar.NewCA("swift-otter")
	if err != nil {
		t.Fatal(err)
	}
	ca, err := sidecar.LoadCA(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return ca, certPEM
}

func TestNewCAIsWhatPipelockReads(t *testing.T) {
	certPEM, keyPEM, err := sidecar.NewCA(strings.Repeat("long", 50))
	if err != nil {
		t.Fatal(err)
	}
	keyBlock, _ := pem.Decode(keyPEM)
	if keyBlock.Type != "EC PRIVATE KEY" { // PIPELOCK.md: PKCS#8 fails at run
		t.Errorf("the key is a %s", keyBlock.Type)
	}
	if _, err := x509.ParseECPrivateKey(keyBlock.Bytes); err != nil {
		t.Error(err)
	}
	certBlock, _ := pem.Decode(certPEM)
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if !cert.IsCA || !cert.MaxPathLenZero || cert.MaxPathLen != 0 || len(cert.Subject.CommonName) > 64 || !strings.HasPrefix(cert.Subject.CommonName, "bottle launch CA") ||
		now.Sub(cert.NotBefore) < 59*time.Minute || cert.NotAfter.Sub(now) > 31*24*time.Hour || cert.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
		t.Errorf("%+v", cert)
	}
	other, _, _ := sidecar.NewCA("x")
	if bytes.Equal(certPEM, other) {
		t.Error("two launches share a CA")
	}
}

func TestLoadCARefuses(t *testing.T) {
	cert1, key1, _ := sidecar.NewCA("a")
	_, key2, _ := sidecar.NewCA("b")
	ca, _ := newCA(t)
	leaf, err := ca.Leaf("x.test")
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	leafKey := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	leafPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Certificate[0]})
	for _, pair := range [][2][]byte{{nil, nil}, {cert1, nil}, {nil, key1}, {cert1, key2}, {[]byte("x"), key1}, {leafPEM, leafKey}} {
		if _, err := sidecar.LoadCA(pair[0], pair[1]); err == nil {
			t.Errorf("LoadCA(%.20q, …) took it", pair[0])
		} else if strings.Contains(err.Error(), "BEGIN") {
			t.Errorf("the error has the key in it: %v", err)
		}
	}
}

// A leaf is good for its host, for a server, by the launch's CA, and for
// nothing else.
func TestLeafVerifies(t *testing.T) {
	ca, certPEM := newCA(t)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	long := strings.Repeat("a", 60) + "." + strings.Repeat("b", 60) + ".test"
	for _, host := range []string{"api.example.com", "cred-proxy", "my_service", long, "10.0.0.1", "2001:db8::1"} {
		leaf, err := ca.Leaf(host)
		if err != nil {
			t.Fatal(err)
		}
		opts := x509.VerifyOptions{DNSName: host, Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
		if strings.Contains(host, ":") {
			opts.DNSName = "[" + host + "]"
		}
		if _, err := leaf.Leaf.Verify(opts); err != nil {
			t.Errorf("%s: %v", host, err)
		}
		opts.DNSName = "other.example.com"
		if _, err := leaf.Leaf.Verify(opts); err == nil {
			t.Errorf("the leaf of %s is good for another host", host)
		}
		if leaf.Leaf.IsCA || len(leaf.Leaf.AuthorityKeyId) == 0 {
			t.Errorf("%s: %+v", host, leaf.Leaf)
		}
	}
}

// A CA signs for canonical names only: no wildcard, nothing that a client could
// read as another name.
func TestLeafRefuses(t *testing.T) {
	ca, _ := newCA(t)
	for _, host := range []string{"", "*.example.com", "EXAMPLE.com", "example.com.", "a b", "x\x00.example.com", "127.1", "[::1]", "bücher.example", "x:443"} {
		if _, err := ca.Leaf(host); err == nil {
			t.Errorf("signed for %q", host)
		}
	}
}

func TestLeafIsMadeOnceAndTheCacheIsBounded(t *testing.T) {
	ca, _ := newCA(t)
	var wg sync.WaitGroup
	got := make([]*tls.Certificate, 50)
	for i := range got {
		wg.Go(func() { got[i], _ = ca.Leaf("one.test") })
	}
	wg.Wait()
	for _, leaf := range got {
		if leaf == nil || leaf != got[0] {
			t.Fatal("one host, several certificates")
		}
	}
	for i := range 1100 {
		if _, err := ca.Leaf(fmt.Sprintf("h%d.test", i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := ca.Cached(); n > 1024 {
		t.Errorf("%d leaves are kept", n)
	}
}

func TestLeafServes(t *testing.T) {
	ca, certPEM := newCA(t)
	pool, err := sidecar.Roots(certPEM)
	if err != nil {
		t.Fatal(err)
	}
	a, b := net.Pipe()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		srv := tls.Server(a, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { return ca.Leaf(h.ServerName) }})
		_ = srv.HandshakeContext(t.Context())
		_ = a.Close()
	})
	client := tls.Client(b, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, ServerName: "x.test"})
	if err := client.HandshakeContext(t.Context()); err != nil {
		t.Error(err)
	}
	_ = b.Close()
}

func TestBundleAndRoots(t *testing.T) {
	_, certPEM := newCA(t)
	b := sidecar.Bundle(certPEM)
	if !bytes.HasSuffix(b, certPEM) || bytes.Count(b, []byte("BEGIN CERTIFICATE")) < 100 {
		t.Errorf("%d certificates", bytes.Count(b, []byte("BEGIN CERTIFICATE")))
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		t.Error("the bundle cannot be read")
	}
	if _, err := sidecar.Roots(); err != nil {
		t.Error(err)
	}
	_, keyPEM, _ := sidecar.NewCA("x")
	for _, bad := range [][]byte{nil, []byte("x"), keyPEM, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")} {
		if _, err := sidecar.Roots(bad); err == nil {
			t.Errorf("Roots(%.30q) took it", bad)
		}
	}
}
