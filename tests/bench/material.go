package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// A material has the bytes behind the sources of the plan.
type material struct {
	generated map[string][]byte
	files     map[string][]byte // of the host, by SHA-256
}

// newMaterial makes the launch's certificates and reads the demo's files.
func newMaterial(root string) (*material, error) {
	m := &material{generated: map[string][]byte{"token": []byte(rand.Text())}, files: map[string][]byte{}}
	paths, err := filepath.Glob(filepath.Join(root, "examples/build/*.pem"))
	if err != nil {
		return nil, err
	}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(b)
		m.files[hex.EncodeToString(sum[:])] = b
	}
	return m, m.authority()
}

func (m *material) authority() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	m.generated["ca-cert"] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	m.generated["ca-key"] = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	// The machine's own roots stand in for those that bottle carries.
	roots, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt")
	if err != nil {
		return fmt.Errorf("install ca-certificates: %w", err)
	}
	m.generated["ca-bundle"] = append(roots, m.generated["ca-cert"]...)
	return nil
}

func (m *material) bytes(s source) ([]byte, error) {
	switch {
	case s.JSON != nil:
		return s.JSON, nil
	case s.Secret != "":
		return []byte(secret), nil
	case m.generated[s.Generated] != nil:
		return m.generated[s.Generated], nil
	case m.files[s.SHA256] != nil:
		return m.files[s.SHA256], nil
	}
	return nil, fmt.Errorf("the plan has a source that this benchmark does not know: %+v", s)
}

// message is what a sidecar reads first (docs/sidecars.md).
func (m *material) message(c container) ([]byte, error) {
	values := map[string][]byte{}
	for _, in := range c.Stdin {
		b, err := m.bytes(in.Source)
		if err != nil {
			return nil, err
		}
		values[in.Name] = b
	}
	b, err := json.Marshal(values)
	return append(b, '\n'), err
}
