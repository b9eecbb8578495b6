package credproxy

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	maxTokens     = 256              // of a registry that are kept
	tokenTimeout  = 30 * time.Second // of a request for one
	tokenLifetime = 60 * time.Second // of one that does not say (distribution.github.io, "Token Authentication Specification")
)

// An issuer gets the tokens of a container registry: the registry says for which
// service and scope it wants one, and the realm, which the script names, gives it
// for the user and the secret. A registry cannot send the secret elsewhere.
type issuer struct {
	realm        *url.URL
	user, secret string

	flight singleflight.Group
	mu     sync.Mutex
	asked  map[string]challenge // by repository: what was wanted there last
	tokens map[challenge]registryToken
	scrub  atomic.Pointer[scrubber] // of the tokens
}

// A challenge is what a registry wants a token for.
type challenge struct{ service, scope string }

type registryToken struct {
	value string
	until time.Time
}

// inRegistry makes c one that does the token flow.
func (c *credential) inRegistry(a *Auth, secret string) {
	realm, _ := realmURL(a.Realm) // Validate came first
	i := &issuer{realm: realm, user: a.User, secret: secret, asked: map[string]challenge{}, tokens: map[challenge]registryToken{}}
	c.header, c.send, c.issued = "Authorization", i.send, i.scrub.Load
	c.keep(secret, a.User+":"+secret)
}

// send sends r with the token that the registry wanted for the like of it, and
// again if it wants another one.
func (i *issuer) send(rt http.RoundTripper, r *http.Request) (*http.Response, error) {
	key := repository(r)
	i.mu.Lock()
	known, ok := i.asked[key]
	i.mu.Unlock()
	first, used := copyRequest(r), ""
	if ok {
		var err error
		if used, err = i.authorize(rt, first, known); err != nil {
			return nil, err
		}
	}
	res, err := rt.RoundTrip(first)
	if err != nil || res.StatusCode != http.StatusUnauthorized {
		return res, err
	}
	wanted, ok := parseChallenge(res.Header.Values("Www-Authenticate"))
	if !ok {
		return res, nil
	}
	i.learn(key, wanted, used)
	again := repeat(r)
	if again == nil {
		return res, nil
	}
	if token, err := i.authorize(rt, again, wanted); err != nil || token == "" {
		return res, nil //nolint:nilerr // the registry's own 401 says more to a client
	}
	_ = res.Body.Close()
	return rt.RoundTrip(again)
}

// learn notes what is wanted for key, and that the token used is not good for it.
func (i *issuer) learn(key string, wanted challenge, used string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.asked) >= maxTokens {
		clear(i.asked)
	}
	i.asked[key] = wanted
	if t, ok := i.tokens[wanted]; ok && t.value == used {
		delete(i.tokens, wanted)
	}
}

// authorize puts the token for want into r and returns it; "" if the realm gives
// none.
func (i *issuer) authorize(rt http.RoundTripper, r *http.Request, want challenge) (string, error) {
	i.mu.Lock()
	t, ok := i.tokens[want]
	i.mu.Unlock()
	if !ok || time.Now().After(t.until) {
		// Whoever asks first asks for all, and may go away meanwhile.
		ctx := context.WithoutCancel(r.Context())
		done := i.flight.DoChan(want.service+"\n"+want.scope, func() (any, error) { return i.fetch(ctx, rt, want) })
		select {
		case got := <-done:
			if got.Err != nil {
				return "", got.Err
			}
			t, _ = got.Val.(registryToken)
		case <-r.Context().Done():
			return "", context.Cause(r.Context())
		}
	}
	if t.value != "" {
		r.Header["Authorization"] = []string{"Bearer " + t.value}
	}
	return t.value, nil
}

// fetch asks the realm for a token. One without a value means that the realm does
// not take the secret.
func (i *issuer) fetch(ctx context.Context, rt http.RoundTripper, want challenge) (registryToken, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	u := *i.realm
	u.RawQuery = url.Values{"service": {want.service}, "scope": strings.Fields(want.scope)}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return registryToken{}, err
	}
	req.SetBasicAuth(i.user, i.secret)
	req.Header.Set("Accept-Encoding", "identity")
	res, err := rt.RoundTrip(req)
	if err != nil {
		return registryToken{}, fmt.Errorf("asking %s for a token: %w", i.realm.Host, err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden {
		return registryToken{}, nil
	}
	var answer struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	// Nothing of the answer goes into an error: it may hold a token.
	if err != nil || res.StatusCode != http.StatusOK || json.Unmarshal(body, &answer) != nil {
		return registryToken{}, fmt.Errorf("asking %s for a token: it answered %d, without one", i.realm.Host, res.StatusCode)
	}
	t := registryToken{value: cmp.Or(answer.Token, answer.AccessToken)}
	if t.value == "" || badValue([]byte(t.value)) != "" {
		return registryToken{}, fmt.Errorf("asking %s for a token: what it gave is none", i.realm.Host)
	}
	life := tokenLifetime
	if answer.ExpiresIn > 0 && answer.ExpiresIn < maxSeconds {
		life = time.Duration(answer.ExpiresIn) * time.Second
	}
	t.until = time.Now().Add(life - life/5)
	i.keep(want, t)
	return t, nil
}

// keep has t used, and answers searched for it.
func (i *issuer) keep(want challenge, t registryToken) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.tokens) >= maxTokens {
		clear(i.tokens)
	}
	// The one that it replaces may still come back.
	secrets := [][]byte{[]byte(i.tokens[want].value), []byte(t.value)}
	i.tokens[want] = t
	for _, other := range i.tokens {
		secrets = append(secrets, []byte(other.value))
	}
	i.scrub.Store(newScrubber(secrets))
}

// repository returns what a registry decides by: the repository of a request, and
// whether it is written.
func repository(r *http.Request) string {
	access := "write "
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		access = "read "
	}
	_, path, _ := strings.Cut(r.URL.Path, "/v2/")
	for _, part := range []string{"/manifests/", "/blobs/", "/tags/", "/referrers/"} {
		if n := strings.LastIndex(path, part); n >= 0 {
			return access + path[:n]
		}
	}
	return access + "/" // no repository, which is no name of one
}

// parseChallenge reads the Bearer challenge of a registry.
func parseChallenge(headers []string) (challenge, bool) {
	for _, h := range headers {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(h), " ")
		if !strings.EqualFold(scheme, "bearer") {
			continue
		}
		var c challenge
		for rest != "" {
			var name, value string
			if name, value, rest = parameter(rest); strings.EqualFold(name, "service") {
				c.service = value
			} else if strings.EqualFold(name, "scope") {
				c.scope = value
			}
		}
		return c, len(c.service)+len(c.scope) < 4<<10
	}
	return challenge{}, false
}

// parameter reads name=value or name="value", and the comma after it.
func parameter(s string) (name, value, rest string) {
	name, s, _ = strings.Cut(s, "=")
	if quoted, ok := strings.CutPrefix(s, `"`); ok {
		value, rest, _ = strings.Cut(quoted, `"`)
		_, rest, _ = strings.Cut(rest, ",")
	} else {
		value, rest, _ = strings.Cut(s, ",")
	}
	return strings.TrimSpace(name), strings.TrimSpace(value), rest
}
