package credproxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/bottle-run/bottle/sidecar"
)

// clientName is what the cred-proxy calls itself to the gate.
const clientName = "cred-proxy"

// A gate is the way out: directly, for the zero gate, or through a pipelock.
type gate struct {
	url   string
	ca    string // PEM
	trust string // PEM, of upstreams
	token sidecar.Secret
}

// check refuses a gate that is wired in part.
func (g gate) check() error {
	var errs []error
	has := map[string]bool{"proxy": g.url != "", InputCA: g.ca != "", InputToken: len(g.token) > 0}
	for _, need := range []string{"proxy", InputCA, InputToken} {
		for _, given := range []string{"proxy", InputCA, InputToken} {
			if has[given] && !has[need] {
				errs = append(errs, fmt.Errorf("wiring: there is a %s and no %s: the URL of the gate, its CA certificate and its token go together", given, need))
				break
			}
		}
	}
	if why := badValue(g.token); why != "" {
		errs = append(errs, fmt.Errorf("the value of %s %s", InputToken, why))
	}
	return errors.Join(errs...)
}

func (g gate) equal(other gate) bool {
	return g.url == other.url && g.ca == other.ca && g.trust == other.trust && string(g.token) == string(other.token)
}

// newTransport returns the transport for upstreams. roots are trusted; through a
// gate its CA is trusted as well, not alone: for passthrough hosts the upstream's
// own certificate arrives. Its connections are in conns.
func newTransport(g gate, roots *x509.CertPool, conns *sidecar.Conns) (*http.Transport, error) {
	if g.trust != "" {
		roots = roots.Clone()
		if err := addTrust(roots, g.trust); err != nil {
			return nil, err
		}
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second, ControlContext: stayInside}
	t := &http.Transport{
		// No Proxy means none: the environment is never asked.
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return conns.Add(c), nil
		},
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout:    15 * time.Second,
		DisableCompression:     true, // asked for by nobody, and not to be undone behind our back
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    256, // fewer than requests at once would mean to dial for each
		IdleConnTimeout:        90 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 1 << 20,
		// A model may think for many minutes before its first byte: no
		// ResponseHeaderTimeout. Pings find out that an HTTP/2 peer is gone.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}
	if g.url == "" {
		return t, nil
	}
	u, err := gateURL(g.url)
	if err != nil {
		return nil, err
	}
	// For CONNECT and for plain requests alike, net/http makes the
	// Proxy-Authorization of the URL's user. This URL is printed nowhere.
	u.User = url.UserPassword(clientName, string(g.token))
	t.Proxy = http.ProxyURL(u)
	t.OnProxyConnectResponse = explainConnect
	t.TLSClientConfig.RootCAs = roots.Clone()
	if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM([]byte(g.ca)) {
		return nil, fmt.Errorf("wiring: %s holds no certificate in PEM", InputCA)
	}
	return t, nil
}

// inTheClear marks the context of a request over plain http, which may go to an
// address of the launch alone, whatever its host's name resolves to.
type inTheClear struct{}

// stayInside refuses to dial another address for such a request. A gate checks
// this itself.
func stayInside(ctx context.Context, _, address string, _ syscall.RawConn) error {
	if ctx.Value(inTheClear{}) == nil {
		return nil
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	_, private := sidecar.PrivateAddr(at.Addr())
	if provider, metadata := sidecar.MetadataAddr(at.Addr()); metadata {
		return fmt.Errorf("%s is the metadata service of %s", at.Addr(), provider)
	}
	if !private {
		return fmt.Errorf("%s is not inside the launch, where alone plain http may go", at.Addr())
	}
	return nil
}

// explainConnect makes an error of a gate's refusal, with the gate's reason
// rather than the bare status of net/http.
func explainConnect(_ context.Context, _ *url.URL, _ *http.Request, res *http.Response) error {
	if res.StatusCode == http.StatusOK {
		return nil
	}
	var refusal sidecar.Refusal
	body, err := io.ReadAll(io.LimitReader(res.Body, 16<<10))
	if err == nil && json.Unmarshal(body, &refusal) == nil && refusal.Reason != "" {
		return fmt.Errorf("the gate answered %d: %s", res.StatusCode, refusal.Reason)
	}
	return fmt.Errorf("the gate answered %d", res.StatusCode)
}

// addTrust adds the certificates of trust, in PEM, to pool.
func addTrust(pool *x509.CertPool, trust string) error {
	if err := sidecar.AddPEM(pool, []byte(trust)); err != nil {
		return fmt.Errorf("trust: %w", err)
	}
	return nil
}
