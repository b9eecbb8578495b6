package credproxy

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/bottle-run/bottle/sidecar"
)

// minToken is the length of the shortest token of an agent.
const minToken = 16

// An agent is a client with routes of its own. Of its token only the hash is kept.
type agent struct {
	name   string
	routes map[string]bool // by their path
	hash   [sha256.Size]byte
}

// newAgents returns the agents of config with their tokens.
func newAgents(config []Agent, inputs sidecar.Message) ([]*agent, *scrubber, error) {
	var (
		agents  []*agent
		secrets [][]byte
		errs    []error
	)
	seen := map[[sha256.Size]byte]string{}
	for _, c := range config {
		token := inputs[InputAgent(c.Name)]
		switch {
		case len(token) < minToken:
			errs = append(errs, fmt.Errorf("wiring: %s has no value of %d bytes at least", InputAgent(c.Name), minToken))
		case strings.Trim(string(token), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "":
			errs = append(errs, fmt.Errorf("wiring: the value of %s has a character that is none of base64url's", InputAgent(c.Name)))
		}
		a := &agent{name: c.Name, routes: map[string]bool{}, hash: sha256.Sum256(token)}
		if other, ok := seen[a.hash]; ok {
			errs = append(errs, fmt.Errorf("wiring: the agents %s and %s have the same token", other, c.Name))
		}
		seen[a.hash] = c.Name
		for _, path := range c.Routes {
			a.routes[path] = true
		}
		agents, secrets = append(agents, a), append(secrets, token)
	}
	return agents, newScrubber(secrets), errors.Join(errs...)
}

// identify finds out who sent r. path is canonical; what comes back is the path
// without the agent's token, and the prefix that was taken from it. Without
// agents in the table everybody is the same one, nil.
func (t *table) identify(r *http.Request, path string) (who *agent, prefix, rest string, err error) {
	if len(t.agents) == 0 {
		return nil, "", path, nil
	}
	if token, ok := strings.CutPrefix(path, "/~"); ok {
		token, rest, _ = strings.Cut(token, "/")
		if who = t.agent(token); who == nil {
			return nil, "", "/" + rest, errors.New("the token in the path is not that of an agent of this launch")
		}
		return who, "/~" + token, "/" + rest, nil
	}
	for _, token := range placeholders(r.Header) {
		found := t.agent(token)
		if found != nil && who != nil && who != found {
			return nil, "", path, errors.New("it carries the tokens of two agents")
		}
		if found != nil {
			who = found
		}
	}
	if who == nil {
		return nil, "", path, errors.New("it carries the token of no agent of this launch: use the URL and the placeholder key that bottle put into the agent's environment")
	}
	return who, "", path, nil
}

// censor returns a path that is not canonical as it may be audited: without a
// token of an agent, however it is escaped.
func (t *table) censor(path string) string {
	if t.tokens == nil {
		return path
	}
	for plain := path; ; {
		next, err := url.PathUnescape(plain)
		if err != nil || t.tokens.clean(plain) != plain {
			return "/…" // which cannot be told is not audited either
		}
		if next == plain {
			return path
		}
		plain = next
	}
}

// agent returns the agent with a token. It takes as long for any token.
func (t *table) agent(token string) (who *agent) {
	hash := sha256.Sum256([]byte(token))
	for _, a := range t.agents {
		if subtle.ConstantTimeCompare(a.hash[:], hash[:]) == 1 {
			who = a
		}
	}
	return who
}

// placeholders returns what may be the token of an agent in the headers by which
// clients authenticate.
func placeholders(h http.Header) []string {
	var out []string
	for name, values := range h {
		if isCredentialHeader(normalName(name)) {
			out = append(out, tokensIn(values)...)
		}
	}
	return out
}

// tokensIn returns what clients may have made of a placeholder in the values of a
// header that carries a credential.
func tokensIn(values []string) []string {
	var out []string
	for _, v := range values {
		out = append(out, v)
		scheme, rest, ok := strings.Cut(v, " ")
		if !ok {
			continue
		}
		rest = strings.TrimSpace(rest)
		switch strings.ToLower(scheme) {
		case "basic":
			if pair, err := base64.StdEncoding.DecodeString(rest); err == nil {
				user, password, _ := strings.Cut(string(pair), ":")
				out = append(out, user, password)
			}
		case "aws4-hmac-sha256":
			_, key, _ := strings.Cut(rest, "Credential=")
			key, _, _ = strings.Cut(key, "/")
			out = append(out, key)
		default:
			out = append(out, rest)
		}
	}
	return out
}

// may reports whether who may use r.
func (r *route) may(who *agent) bool { return who == nil || who.routes[r.Path] }
