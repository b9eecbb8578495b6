package sidecar

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// Bundle returns the public roots that come with this executable, and then
// caPEM, in PEM: what a program in the agent's container is to trust. Roots that
// Mozilla trusts only for certificates up to some day are in it without that
// limit, which PEM cannot say; distributions do the same.
func Bundle(caPEM []byte) []byte {
	var b bytes.Buffer
	for root := range bundle.Roots() {
		b.Write(encodePEM("CERTIFICATE", root.Certificate))
	}
	b.Write(caPEM)
	return b.Bytes()
}

// Roots returns the public roots that come with this executable, with Mozilla's
// limits, and the certificates in extraPEM. The system's are not asked: a
// sidecar's image has none.
func Roots(extraPEM ...[]byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	for root := range bundle.Roots() {
		cert, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			return nil, fmt.Errorf("reading the public roots: %w", err)
		}
		if root.Constraint == nil {
			pool.AddCert(cert)
		} else {
			pool.AddCertWithConstraint(cert, root.Constraint)
		}
	}
	for _, extra := range extraPEM {
		if err := AddPEM(pool, extra); err != nil {
			return nil, err
		}
	}
	return pool, nil
}

// AddPEM adds every certificate of data to pool. Unlike AppendCertsFromPEM it
// says what is wrong with one that cannot be read, rather than leave it out.
func AddPEM(pool *x509.CertPool, data []byte) error {
	n := 0
	for rest := data; ; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return fmt.Errorf("reading CA certificates: block %d is a %s, not a CERTIFICATE", n+1, block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("reading CA certificates: certificate %d: %w", n+1, err)
		}
		pool.AddCert(cert)
	}
	if n == 0 {
		return errors.New("reading CA certificates: no PEM certificate in them")
	}
	return nil
}
