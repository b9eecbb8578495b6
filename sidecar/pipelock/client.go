package pipelock

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/bottle-run/bottle/sidecar"
)

// client tells who asks: the cred-proxy, which knows a token, or the agent, which
// knows none. A wrong token is neither. An agent may bring the ticket by which its
// cred-proxy tells it from others, which is nothing to the gate itself.
func (g *Gate) client(r *http.Request) (client, ticket string, err error) {
	given := r.Header.Get("Proxy-Authorization")
	if given == "" {
		return sidecar.ClientAgent, "", nil
	}
	scheme, encoded, _ := strings.Cut(given, " ")
	plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	user, token, _ := strings.Cut(string(plain), ":")
	switch basic := err == nil && strings.EqualFold(scheme, "basic"); {
	case basic && user == sidecar.ClientAgent && isTicket(token):
		return sidecar.ClientAgent, token, nil
	case basic && user == sidecar.ClientCredProxy && len(g.token) > 0 && subtle.ConstantTimeCompare([]byte(token), g.token) == 1:
		return sidecar.ClientCredProxy, "", nil
	}
	return sidecar.ClientAgent, "", errors.New("the gate knows no such client: agents do not authenticate to it")
}

// isTicket reports whether s can be a segment of a path, whatever it is worth.
func isTicket(s string) bool {
	const plain = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
	return s != "" && len(s) <= 128 && strings.Trim(s, plain) == ""
}

// shown is the path for the audit: without the ticket in what goes to the launch's
// own helpers.
func (x *exchange) shown() string {
	path := x.r.URL.EscapedPath()
	if _, own := x.force.policy.own[x.target.host]; !own {
		return path
	}
	first, rest, _ := strings.Cut(strings.TrimLeft(path, "/"), "/")
	if plain, err := url.PathUnescape(first); err != nil || strings.HasPrefix(plain, "~") {
		return "/~ticket/" + rest
	}
	return path
}
