package sidecar

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	caLife    = 30 * 24 * time.Hour // longer than any launch
	clockSkew = time.Hour           // by which a client's clock may be behind
	maxLeaves = 1024
)

// NewCA makes the certificate authority of one launch: a certificate in PEM,
// with name in its common name, and its private key in PEM, SEC 1. It may sign
// certificates of servers, not of further authorities.
func NewCA(name string) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("making the key of the CA: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: commonName("bottle launch CA " + name)},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(caLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, fmt.Errorf("making the certificate of the CA: %w", err)
	}
	// SEC 1, not PKCS #8: upstream Pipelock reads nothing else.
	sec1, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding the key of the CA: %w", err)
	}
	return encodePEM("CERTIFICATE", der), encodePEM("EC PRIVATE KEY", sec1), nil
}

// A CA signs certificates of servers. It is safe for concurrent use.
type CA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	// leafKey is the key of every leaf: they all end in this one process, and
	// making a key costs more than the signature.
	leafKey *ecdsa.PrivateKey

	flight singleflight.Group
	mu     sync.Mutex
	leaves map[string]*tls.Certificate
}

// LoadCA reads what NewCA made.
func LoadCA(certPEM, keyPEM []byte) (*CA, error) {
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("reading the CA: %w", err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	switch {
	case !ok:
		return nil, errors.New("reading the CA: its key is not an ECDSA key")
	case !pair.Leaf.IsCA:
		return nil, errors.New("reading the CA: its certificate is not that of an authority")
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the key of the leaves: %w", err)
	}
	return &CA{cert: pair.Leaf, key: key, leafKey: leafKey, leaves: make(map[string]*tls.Certificate)}, nil
}

// Leaf returns a certificate for host, a canonical name or an address, and for
// nothing else. It is made once and shared: the caller must not change it.
func (ca *CA) Leaf(host string) (*tls.Certificate, error) {
	if leaf := ca.cached(host); leaf != nil {
		return leaf, nil
	}
	made, err, _ := ca.flight.Do(host, func() (any, error) {
		if leaf := ca.cached(host); leaf != nil {
			return leaf, nil
		}
		leaf, err := ca.sign(host)
		if err != nil {
			return nil, err
		}
		ca.mu.Lock()
		defer ca.mu.Unlock()
		if len(ca.leaves) >= maxLeaves {
			for old := range ca.leaves { // any one will do, and can be made again
				delete(ca.leaves, old)
				break
			}
		}
		ca.leaves[host] = leaf
		return leaf, nil
	})
	if err != nil {
		return nil, err
	}
	return made.(*tls.Certificate), nil
}

func (ca *CA) cached(host string) *tls.Certificate {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	return ca.leaves[host]
}

func (ca *CA) sign(host string) (*tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: commonName(host)},
		NotBefore:             ca.cert.NotBefore,
		NotAfter:              ca.cert.NotAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	name, err := CanonicalHost(host)
	switch addr, isAddr := ParseAddr(host); {
	case isAddr && addr.String() == host:
		template.IPAddresses = []net.IP{addr.AsSlice()}
	case err != nil:
		return nil, fmt.Errorf("signing a certificate: %w", err)
	case name != host:
		return nil, fmt.Errorf("signing a certificate: %q is not canonical, %q is", host, name)
	default:
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, ca.leafKey.Public(), ca.key)
	if err != nil {
		return nil, fmt.Errorf("signing a certificate for %s: %w", host, err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("signing a certificate for %s: %w", host, err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: ca.leafKey, Leaf: leaf}, nil
}

// serial returns a random serial number of 127 bits, at least 1.
func serial() *big.Int {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	b[0] &= 0x7f
	b[15] |= 1
	return new(big.Int).SetBytes(b)
}

// commonName cuts s to the 64 characters that X.520 allows.
func commonName(s string) string { return s[:min(len(s), 64)] }

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
