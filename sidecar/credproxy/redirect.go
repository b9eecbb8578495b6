package credproxy

import (
	"net/http"
	"net/url"
	"strings"
)

// A redirector knows where clients find what upstreams name.
type redirector struct {
	routes []*route
	prefix string // of the client's paths, with its token
}

// redirect has the headers of res that name a place name it as the client of the
// cred-proxy finds it, so that redirects and pages follow the route.
func (r *route) redirect(res *http.Response, to redirector) {
	from := res.Request.URL
	for _, name := range []string{"Location", "Content-Location"} {
		if there := res.Header.Get(name); there != "" {
			res.Header.Set(name, r.relocate(from, there, to))
		}
	}
	links := res.Header["Link"]
	for i := range links {
		links[i] = relink(links[i], func(there string) string { return r.relocate(from, there, to) })
	}
}

// relocate returns where a client of the cred-proxy finds what the upstream says
// is there, or there itself when no route leads to it.
func (r *route) relocate(from *url.URL, there string, to redirector) string {
	u, err := from.Parse(there)
	if err != nil {
		return there
	}
	if local, ok := r.local(u); ok {
		return to.prefix + local
	}
	for _, candidate := range to.routes {
		if local, ok := candidate.local(u); ok {
			return to.prefix + local
		}
	}
	return u.String() // absolute: what it was relative to is not the client's base
}

// relink changes the targets of a Link header (RFC 8288): what is between angle
// brackets outside quotes.
func relink(header string, change func(string) string) string {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(header); i++ {
		c := header[i]
		switch {
		case quoted && c == '\\' && i+1 < len(header):
			b.WriteByte(c)
			i++
			c = header[i]
		case c == '"':
			quoted = !quoted
		case c == '<' && !quoted:
			if n := strings.IndexByte(header[i:], '>'); n > 0 {
				b.WriteString("<" + change(header[i+1:i+n]) + ">")
				i += n
				continue
			}
		}
		b.WriteByte(c)
	}
	return b.String()
}
