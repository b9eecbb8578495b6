// Command upstream plays a private API in the demo: it serves TLS with a
// certificate of its own authority and answers /whoami to who brings the key. With
// -init DIR it makes the authority, a certificate and a key in DIR instead. With -host
// it is a listener on the host machine that the agent must not reach.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"fmt"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// names returns what the two servers of the demo are called.
func names() []string { return []string{"acme-api", "acme-notes"} }

func main() {
	dir := flag.String("init", "", "make the certificates in this directory")
	host := flag.Bool("host", false, "listen on every address of this machine and print those that answer")
	flag.Parse()
	switch {
	case *dir != "":
		if err := certificates(*dir); err != nil {
			log.Fatal(err)
		}
	case *host:
		log.Fatal(listenEverywhere())
	default:
		serve()
	}
}

// serve answers in the launch.
func serve() {
	http.HandleFunc("/whoami", func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer acme-key-") {
			http.Error(w, "no key, or a wrong one", http.StatusUnauthorized)
			return
		}
		fmt.Fprintln(w, "you have the right key")
	})
	http.HandleFunc("/status", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "fine") })
	http.HandleFunc("/notes", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "noted") })
	server := &http.Server{Addr: ":443", ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServeTLS("/tls/cert.pem", "/tls/key.pem"))
}

// listenEverywhere listens on some port of all addresses, connects to itself at
// each, prints those that answered, and goes on until it is ended.
func listenEverywhere() error {
	l, err := net.Listen("tcp", ":0") //nolint:gosec,noctx // everywhere is the point
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return err
	}
	var answered []string
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok || n.IP.IsLoopback() || n.IP.IsLinkLocalUnicast() {
			continue
		}
		at := net.JoinHostPort(n.IP.String(), port)
		if c, err := net.DialTimeout("tcp", at, time.Second); err == nil { //nolint:noctx // bounded
			_ = c.Close()
			answered = append(answered, at)
		}
	}
	fmt.Println(strings.Join(answered, ","))
	select {}
}

// certificates writes ca.pem, cert.pem and key.pem. The authority's key is
// forgotten.
func certificates(dir string) error {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca := template("Acme private CA")
	ca.IsCA, ca.KeyUsage = true, x509.KeyUsageCertSign
	leaf := template(names()[0])
	leaf.DNSNames, leaf.KeyUsage = names(), x509.KeyUsageDigitalSignature
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return err
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	for file, block := range map[string]*pem.Block{
		"ca.pem": {Type: "CERTIFICATE", Bytes: caDER}, "cert.pem": {Type: "CERTIFICATE", Bytes: leafDER}, "key.pem": {Type: "EC PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func template(cn string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		log.Fatal(err)
	}
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: cn}, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
	}
}
