package secret

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/bottle-run/bottle/runtime/plan"
)

// exchangeTimeout bounds one call of a token endpoint.
const exchangeTimeout = 20 * time.Second

// access obtains an access token by a refresh token (RFC 6749, section 6). Only
// one of this user's launches does so at a time with one refresh token: a server
// that gives a new refresh token each time takes the old one from the second.
func (r *Resolver) access(ctx context.Context, ref plan.Secret) ([]byte, time.Duration, error) {
	if len(ref.From) == 0 || len(ref.From) > 2 {
		return nil, 0, errors.New("has no refresh token")
	}
	if err := checkEndpoint(ref.Args[0]); err != nil {
		return nil, 0, err
	}
	done, err := r.turn(ctx, ref.From[0])
	if err != nil {
		return nil, 0, err
	}
	defer done()
	parts := [2][]byte{}
	for i, from := range ref.From {
		if parts[i], _, err = r.Lookup(ctx, from); err != nil {
			return nil, 0, fmt.Errorf("%s: %w", from, err)
		}
	}
	// Whoever interrupts bottle now must not lose the refresh token that the
	// server may already have replaced.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), exchangeTimeout)
	defer cancel()
	x := exchange{url: ref.Args[0], client: ref.Args[1], scope: ref.Args[2], refresh: parts[0], secret: parts[1]}
	token, err := x.do(ctx, r.Client)
	if err != nil {
		return nil, 0, err
	}
	if next := token.RefreshToken; next != "" && next != string(parts[0]) {
		r.rotated(ctx, ref.From[0], []byte(next))
	}
	var life time.Duration
	if !token.Expiry.IsZero() {
		life = max(time.Until(token.Expiry), time.Second)
	}
	return []byte(token.AccessToken), life, nil
}

// checkEndpoint wants https: a refresh token goes there. This machine may do
// without.
func checkEndpoint(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil {
		return fmt.Errorf("%q is not the URL of a token endpoint", raw)
	}
	host := u.Hostname()
	loopback := host == "localhost" || net.ParseIP(host).IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback) {
		return fmt.Errorf("the token endpoint %s is not https: the refresh token would be read on its way", raw)
	}
	return nil
}

// rotated keeps the refresh token that replaces the one that ref leads to.
func (r *Resolver) rotated(ctx context.Context, ref plan.Secret, next []byte) {
	err := check(next)
	if err == nil {
		switch ref.Kind {
		case plan.SecretFile:
			err = r.replaceFile(ref.Args[0], next)
		case plan.SecretKeyring:
			err = writeKeyring(ctx, ref.Args[0], ref.Args[1], next)
		case plan.SecretEnv, plan.SecretCommand, plan.SecretPrompt, plan.SecretOAuth:
			err = errors.New("nothing can be written there; keep refresh tokens in secret.file or secret.keyring")
		}
	}
	if err == nil {
		return
	}
	r.held.Set(ref, next, 0)
	r.warn("the server replaced the refresh token behind %s, which is good for this launch only and then lost: %v", ref, err)
}

// An exchange is one refresh token for one access token.
type exchange struct {
	url, client, scope string
	refresh, secret    []byte
}

// do asks the server. A client with a secret says it in the header, as every
// server must take it (RFC 6749, section 2.3.1); one that does not know its
// clients there is asked again with the secret in the form. It is not the
// library's own probing, which repeats after any failure: a refresh token that is
// sent twice looks stolen to a server that rotates them.
func (x exchange) do(ctx context.Context, base *http.Client) (*oauth2.Token, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, x.httpClient(base))
	style := oauth2.AuthStyleInParams
	if len(x.secret) > 0 {
		style = oauth2.AuthStyleInHeader
	}
	token, err := x.ask(ctx, style)
	var refused *oauth2.RetrieveError
	if style == oauth2.AuthStyleInHeader && errors.As(err, &refused) && refused.ErrorCode == "invalid_client" {
		token, err = x.ask(ctx, oauth2.AuthStyleInParams)
	}
	if err != nil {
		return nil, x.explain(err)
	}
	return token, check([]byte(token.AccessToken))
}

func (x exchange) ask(ctx context.Context, style oauth2.AuthStyle) (*oauth2.Token, error) {
	config := oauth2.Config{
		ClientID: x.client, ClientSecret: string(x.secret),
		Endpoint: oauth2.Endpoint{TokenURL: x.url, AuthStyle: style},
	}
	return config.TokenSource(ctx, &oauth2.Token{RefreshToken: string(x.refresh)}).Token()
}

// httpClient returns a client that follows no redirect, which would carry the
// refresh token to another place.
func (x exchange) httpClient(base *http.Client) *http.Client {
	if base == nil {
		base = http.DefaultClient
	}
	c := *base
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if x.scope != "" {
		c.Transport = scoped{c.Transport, x.scope}
	}
	return &c
}

// explain says what the server did not like, without what it was told.
func (x exchange) explain(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return errors.New(without(err.Error(), x.refresh, x.secret))
	}
	said := without(strings.TrimSpace(refused.ErrorCode+" "+refused.ErrorDescription), x.refresh, x.secret)
	said = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, said[:min(len(said), 300)])
	if refused.ErrorCode == "invalid_grant" {
		said += "; the refresh token is not good any more: log in again"
	}
	return fmt.Errorf("the token endpoint %s answered %s: %s", x.url, refused.Response.Status, said)
}
