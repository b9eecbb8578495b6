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
	route   *route
	target  *url.URL
	status  int // not 0 for a refusal
	refusal sidecar.Refusal
	health  bool
}

// decide judges a request by its method and its path.
func (t *table) decide(r *http.Request) verdict {
	deny := func(route *route, reason, allow string) verdict {
		v := verdict{route: route, status: http.StatusForbidden, refusal: sidecar.Refusal{Reason: reason, Allow: allow}}
		if route != nil {
			v.refusal.Host = route.base.Host
		}
		return v
	}
	if isForbiddenMethod(r.Method) {
		return deny(nil, "method "+shorten(r.Method)+" goes to no upstream", "")
	}
	path, err := sidecar.CanonicalPath(requestPath(r))
	if err != nil {
		return deny(nil, err.Error(), "")
	}
	route := t.match(path)
	if route == nil && path == "/healthz" {
		return verdict{health: true}
	}
	if route == nil {
		return verdict{status: http.StatusNotFound, refusal: t.noRoute(path)}
	}
	if other := t.ambiguous(route, path); other != nil {
		return deny(route, fmt.Sprintf("path %s may be read as one of route %s, too", shorten(path), other.Path), "")
	}
	if reason, allow, ok := route.permits(r.Method, path); !ok {
		return deny(route, reason, allow)
	}
	target, err := route.target(path, stripQuery(requestQuery(r), route.cred != nil))
	if err != nil {
		return deny(route, err.Error(), "")
	}
	return verdict{route: route, target: target}
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
