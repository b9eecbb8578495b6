package credproxy

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/git"
)

// A route is a Route, ready for use. What it decides by does not change.
type route struct {
	Route
	base  *url.URL // scheme, host and path of the upstream, all canonical
	globs []string
	cred  *credential // nil for none
	// strip are the headers that carry a credential on any route, in their normal
	// spelling: on this one clients may not send them either.
	strip map[string]bool
	// stripParams are the parameters of the query that do: no gate on the way looks
	// into them.
	stripParams map[string]bool
	scrub       *scrubber // nil when no answer can hold a credential
	// issuers are the credentials for the upstream's host that are exchanged for
	// others on the way.
	issuers []*credential
	merged  atomic.Pointer[merged]
	grant   *grant
	pushes  *git.Rules // nil when no push is let through
}

// newRoute returns the route of r, with the values of inputs. What it learnt as
// one of former it knows again.
func newRoute(r Route, inputs sidecar.Message, former []*route) (*route, error) {
	base, err := r.upstream()
	if err != nil {
		return nil, r.errorf("%w", err)
	}
	out := &route{Route: r, base: base}
	if out.pushes, err = r.pushRules(); err != nil {
		return nil, r.errorf("%w", err)
	}
	for _, p := range r.Paths {
		glob, err := sidecar.CanonicalGlob(p)
		if err != nil {
			return nil, r.errorf("%w", err)
		}
		out.globs = append(out.globs, glob)
	}
	if r.Auth != nil {
		if out.cred, err = newCredential(r.Auth, inputs, former); err != nil {
			return nil, r.errorf("%w", err)
		}
	}
	return out, nil
}

// matches reports whether the canonical path is the route's, or below it.
func (r *route) matches(path string) bool { return below(r.Path, path) }

// below reports whether path is below prefix, which ends in a slash, on whole
// segments. The prefix without its slash is below it too.
func below(prefix, path string) bool {
	return strings.HasPrefix(path, prefix) || len(path) == len(prefix)-1 && strings.HasPrefix(prefix, path)
}

// rest returns what of path, which matches, is below the route: "" or a path.
func (r *route) rest(path string) string { return path[min(len(path), len(r.Path)-1):] }

// target returns where a request for path, which matches, goes.
func (r *route) target(path, query string) (*url.URL, error) {
	escaped := r.base.Path + r.rest(path)
	if escaped == "" {
		escaped = "/"
	}
	plain, err := url.PathUnescape(escaped)
	if err != nil {
		return nil, err // cannot be: it is canonical
	}
	u := &url.URL{Scheme: r.base.Scheme, Host: r.base.Host, Path: plain, RawPath: escaped, RawQuery: query}
	if u.EscapedPath() != escaped {
		// net/url would send other bytes than those that were compared.
		return nil, errors.New("path cannot be sent as it is")
	}
	return u, nil
}

// permits returns why the route does not let a request through, and what would.
func (r *route) permits(method, path string) (reason, allow string, ok bool) {
	if len(r.Methods) > 0 && !slices.Contains(r.Methods, method) {
		return fmt.Sprintf("route %s allows %s, not %s", r.Path, strings.Join(r.Methods, ", "), method),
			fmt.Sprintf("methods = […, %s] in the route", strconv.Quote(method)), false
	}
	rest := r.rest(path)
	if rest == "" {
		rest = "/"
	}
	if len(r.globs) > 0 && !slices.ContainsFunc(r.globs, func(g string) bool { return sidecar.MatchPath(g, rest) }) {
		return fmt.Sprintf("route %s does not allow the path %s", r.Path, rest),
			fmt.Sprintf("paths = […, %s] in the route", strconv.Quote(rest)), false
	}
	return "", "", true
}

// local returns the path at which clients of the cred-proxy find u, a place of
// the upstream: the inverse of target.
func (r *route) local(u *url.URL) (string, bool) {
	host, err := canonicalUpstreamHost(u)
	path := u.EscapedPath()
	if err != nil || u.User != nil || u.Scheme != r.base.Scheme || host != r.base.Host || !below(r.base.Path+"/", path) && path != "" {
		return "", false
	}
	local := strings.TrimSuffix(r.Path, "/") + path[min(len(path), len(r.base.Path)):]
	if local == "" {
		local = "/"
	}
	if strings.HasPrefix(local, "//") {
		return "", false // a client would take what follows for a host
	}
	if u.RawQuery != "" || u.ForceQuery {
		local += "?" + u.RawQuery
	}
	if u.Fragment != "" {
		local += "#" + u.EscapedFragment()
	}
	return local, true
}

// outgoing makes out, a copy of a client's request, the request for the upstream,
// but for the credential. Hop-by-hop headers are removed already, and nothing of the client's
// decides where it goes: that is target's doing.
func (r *route) outgoing(out *http.Request, target *url.URL) {
	out.URL, out.Host = target, ""
	stripHeader(out.Header, r.strip)
	keepWebSocketOnly(out.Header)
	stripProtocols(out.Header)
	// Also for routes without a credential: upstream Pipelock refuses compressed
	// answers.
	out.Header.Set("Accept-Encoding", "identity")
	if asksToPush(target.Path, target.RawQuery) || strings.HasSuffix(target.Path, receivePack) {
		out.Header.Del("Git-Protocol") // what is understood of pushing is version 0
	}
	if r.scrub != nil || r.issuers != nil {
		for _, name := range []string{"Range", "If-Range", "Request-Range", "Sec-Websocket-Extensions"} {
			out.Header.Del(name)
		}
	}
}

// scrubber returns what answers of the route are cleaned with.
func (r *route) scrubber() *scrubber {
	if len(r.issuers) == 0 {
		return r.scrub
	}
	issued := make([]*scrubber, len(r.issuers))
	for i, c := range r.issuers {
		issued[i] = c.issued()
	}
	if last := r.merged.Load(); last != nil && slices.Equal(last.issued, issued) {
		return last.scrub
	}
	m := &merged{issued: issued, scrub: r.scrub}
	for _, s := range issued {
		m.scrub = m.scrub.with(s)
	}
	r.merged.Store(m)
	return m.scrub
}

// A merged is a scrubber, and of which others it was made.
type merged struct {
	issued []*scrubber
	scrub  *scrubber
}

// keepWebSocketOnly drops an upgrade to anything else: after one to h2c, say, the
// connection would carry requests that nobody looks at.
func keepWebSocketOnly(h http.Header) {
	if up := h.Values("Upgrade"); len(up) > 0 && (len(up) > 1 || !strings.EqualFold(up[0], "websocket")) {
		h.Del("Upgrade")
		h.Del("Connection")
	}
}
