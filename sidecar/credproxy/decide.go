package credproxy

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/bottle-run/bottle/sidecar"
)

// A verdict is what was decided about a request: a target, a refusal, or a
// question after the proxy's own health.
type verdict struct {
	client  string
	prefix  string // of the path, with the agent's token in it; "" for none
	path    string // without it
	route   *route
	target  *url.URL
	status  int // not 0 for a refusal
	refusal sidecar.Refusal
	health  bool
	// asksToPush has a refusal be one that git prints.
	asksToPush bool
}

// deny makes v a refusal.
func (v *verdict) deny(status int, refusal sidecar.Refusal) verdict {
	v.status, v.refusal = status, refusal
	if v.route != nil {
		v.refusal.Host = v.route.base.Host
	}
	return *v
}

// decide judges a request by who sent it, its method and its path.
func (t *table) decide(r *http.Request) verdict {
	v := verdict{client: sidecar.ClientAgent, path: requestPath(r)}
	if len(t.agents) > 0 {
		v.client = ""
	}
	forbid := func(reason, allow string) verdict {
		return v.deny(http.StatusForbidden, sidecar.Refusal{Reason: reason, Allow: allow})
	}
	if isForbiddenMethod(r.Method) {
		return forbid("method "+shorten(r.Method)+" goes to no upstream", "")
	}
	path, spread, err := sidecar.SlashedPath(v.path)
	if err != nil {
		v.path = t.censor(v.path)
		return forbid(err.Error(), "")
	}
	if path == "/healthz" && t.match(path) == nil {
		return verdict{health: true}
	}
	var who *agent
	who, v.prefix, v.path, err = t.identify(r, path)
	if err != nil {
		return forbid(err.Error(), "")
	}
	if who != nil {
		v.client = who.name
	}
	if v.route = t.match(v.path); v.route == nil || !v.route.may(who) {
		v.route = nil
		return v.deny(http.StatusNotFound, t.noRoute(who, v.path))
	}
	if reason, allow := t.confusable(v.route, v.path, strings.TrimPrefix(spread, v.prefix)); reason != "" {
		return forbid(reason, allow)
	}
	if reason, allow, ok := v.route.permits(r.Method, v.path); !ok {
		return forbid(reason, allow)
	}
	if header := v.route.copies(r.Header); header != "" {
		return forbid(header+" has the upstream read what the route need not lead to", "download it and upload it again, below the route")
	}
	if reason, allow := v.route.permitsGit(r.Method, v.path, requestQuery(r)); reason != "" {
		v.asksToPush = asksToPush(v.path, requestQuery(r))
		return forbid(reason, allow)
	}
	v.target, err = v.route.target(v.path, stripQuery(requestQuery(r), v.route.Auth, v.route.stripParams))
	if err != nil {
		return forbid(err.Error(), "")
	}
	return v
}

// confusable says how a server may take path, which matches r, for one with
// another credential or under other rules than are held against it. spread is
// the path with escaped slashes as slashes.
func (t *table) confusable(r *route, path, spread string) (reason, allow string) {
	for _, p := range []string{path, spread} {
		if other := t.match(p); other == nil {
			return sidecar.ErrSlash.Error(), ""
		} else if other != r {
			return fmt.Sprintf("path %s may be read as one of route %s, too", shorten(path), other.Path), ""
		}
		if other := t.ambiguous(r, p); other != nil {
			return fmt.Sprintf("path %s may be read as one of route %s, too", shorten(path), other.Path), ""
		}
		if p == spread && p == path {
			return "", ""
		}
	}
	// What git's rules are about is seen by the end of the path.
	for _, end := range []string{"/info/refs", "/git-receive-pack", "/git-upload-pack"} {
		if strings.HasSuffix(spread, end) != strings.HasSuffix(path, end) {
			return sidecar.ErrSlash.Error(), ""
		}
	}
	if len(r.globs) > 0 {
		return sidecar.ErrSlash.Error() + ": rules on paths need one reading", "a route without paths = […]"
	}
	return "", ""
}

// requestPath returns the path of a request as the client wrote it, escaped and
// without its query. Of the absolute form, "GET http://host/path", the rest
// decides nothing.
func requestPath(r *http.Request) string {
	raw, _, _ := strings.Cut(r.RequestURI, "?")
	if raw == "" || raw[0] == '/' {
		return raw
	}
	if scheme, rest, ok := strings.Cut(raw, "://"); ok && !strings.Contains(scheme, "/") {
		i := strings.IndexByte(rest, '/')
		if i < 0 {
			return "/"
		}
		return rest[i:]
	}
	return raw // "*", or what CONNECT asks for
}

// requestQuery returns the query of a request as the client wrote it.
func requestQuery(r *http.Request) string {
	_, query, _ := strings.Cut(r.RequestURI, "?")
	return query
}
