package starlib

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/bottle-run/bottle/runtime/plan"
)

// A wiring is what an agent needs to find the routes that it may use.
type wiring struct {
	env   map[string]string
	by    map[string]*route // who set a variable
	git   []plan.Setting
	files []plan.File
	err   error
}

// set gives a variable its value. Two routes do not share one.
func (w *wiring) set(t tool, name, value string) {
	if old := w.by[name]; old != nil && (old != t.route || w.env[name] != value) && w.err == nil {
		w.err = t.route.errorf("roles", "the variable %s is that of the route %q (%s) already", name, old.Path, old.pos)
	}
	w.put(name, value)
	w.by[name] = t.route
}

// put gives a variable a value that does not depend on a route.
func (w *wiring) put(name, value string) { w.env[name] = value }

// file adds to a file. All that is added to one path has the same present.
func (w *wiring) file(path string, present plan.Present, text string) {
	for i := range w.files {
		if f := &w.files[i]; f.Path == path {
			had, _ := f.Source.(plan.Literal)
			f.Source = append(slices.Clone(had), text...)
			return
		}
	}
	mode := int64(0o600)
	if strings.HasPrefix(path, "/") {
		mode = 0o644 // root's, and for everybody
	}
	w.files = append(w.files, plan.File{Path: path, Mode: mode, Source: plan.Literal(text), Present: present})
}

// login adds one to the configuration of tea. The first is the one that is used when
// none is named.
func (w *wiring) login(t tool) {
	const path = "~/.config/tea/config.yml"
	first := !slices.ContainsFunc(w.files, func(f plan.File) bool { return f.Path == path })
	text := ""
	if first {
		text = "logins:\n"
	}
	w.file(path, plan.PresentRefuse, text+fmt.Sprintf("  - name: %s\n    url: %s\n    token: %s\n    default: %t\n    version_check: false\n",
		quoted(strings.Trim(t.route.Path, "/")), quoted(t.url), quoted(placeholder), first))
}

func (r *route) errorf(param, format string, args ...any) error {
	return &Error{Pos: r.pos, Via: r.via, Msg: fmt.Sprintf("route: for parameter %q: %s", param, fmt.Sprintf(format, args...))}
}

// wiringOf returns what m needs for the roles of the routes that it may use.
func (l *lowering) wiringOf(m *member, p *proxy) (*wiring, error) {
	w := &wiring{env: map[string]string{}, by: map[string]*route{}}
	gated := l.gateOf(m.net) != nil
	by, froms := map[string]*route{}, map[string]*route{}
	for _, r := range p.routes {
		if r.of != nil || !m.mayUse(r) {
			continue
		}
		t := p.tool(r, gated)
		for _, name := range r.Roles {
			role := roleOf(name)
			switch old := by[name]; {
			case role.https && !gated:
				return nil, r.errorf("roles", "the clients of %s ask in https, which the gate answers: declare pipelock() on the network %q", name, m.net.name)
			case old != nil && !role.many:
				return nil, r.errorf("roles", "the route %q (%s) has the role %q already%s", old.Path, old.pos, name, m.whose())
			case name == "docker-registry" && l.ticketed(m.net):
				return nil, r.errorf("roles", "clients of container registries have no place for the ticket by which agents with routes = […] are told apart; give this one a network of its own")
			case name == "git-insteadof" && froms[t.host+t.path] != nil:
				return nil, r.errorf("roles", "the route %q (%s) stands for %s already, with the role git-insteadof%s", froms[t.host+t.path].Path, froms[t.host+t.path].pos, t.host+t.path, m.whose())
			case name == "git-insteadof":
				froms[t.host+t.path] = r
			}
			by[name] = r
			role.wire(w, t)
		}
	}
	return w, w.err
}

// whose names the agent where the script has given it routes of its own.
func (m *member) whose() string {
	if m.routes == nil {
		return ""
	}
	return fmt.Sprintf(", and %q may use both", m.name)
}

// url is the address of a path as base URLs are written: without a slash at the
// end, for clients append "/v1/…".
func (p *proxy) url(path string) string {
	return "http://" + credProxyHost + ":" + strconv.Itoa(p.port) + strings.TrimRight(path, "/")
}

// address is where p listens.
func (p *proxy) address() string { return net.JoinHostPort(credProxyHost, strconv.Itoa(p.port)) }

func (p *proxy) tool(r *route, gated bool) tool {
	t := tool{route: r, url: p.url(r.Path)}
	t.secure = t.url
	if gated {
		t.secure = strings.TrimSuffix("https://"+credProxyHost+r.Path, "/")
	}
	host, port := hostPort(r.Upstream)
	if t.host, t.path = host, r.base(); port != 443 && port != 80 {
		t.host = net.JoinHostPort(host, strconv.Itoa(port))
	}
	return t
}

// wire adds to c what a container on the inside of its network needs to find the
// sidecars. What the script says itself holds; the gate's variables it cannot say.
func (l *lowering) wire(m *member, c *plan.Container) {
	given, wired := c.Env, map[string]string{}
	if p := l.proxyOf(m.net); p != nil && c.Role == plan.Agent {
		w, err := l.wiringOf(m, p)
		if err != nil {
			l.err = cmp.Or(l.err, err) // it has been checked
			return
		}
		w.into(c, wired)
		if l.ticketed(m.net) {
			c.Ticket = p.ticket(m)
		}
	}
	if l.gateOf(m.net) != nil {
		maps.Copy(wired, gateEnv(c.Ticket != nil))
		c.Files = append([]plan.File{
			{Path: caFile, Mode: 0o444, Source: plan.Generated{Kind: plan.CACert, Name: m.net.name}},
			{Path: bundleFile, Mode: 0o444, Source: plan.Generated{Kind: plan.CABundle, Name: m.net.name}},
		}, c.Files...)
	}
	c.Wired = slices.Sorted(maps.Keys(wired))
	maps.Copy(wired, given)
	c.Env = wired
}

// into adds the wiring to c, its variables to wired. npm and others read the variables
// of the two cases as one.
func (w *wiring) into(c *plan.Container, wired map[string]string) {
	for name, value := range w.env {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(c.Env)), func(k string) bool { return strings.EqualFold(k, name) }) {
			wired[name] = value
		}
	}
	for _, f := range w.files {
		if !slices.ContainsFunc(c.Files, func(own plan.File) bool { return own.Path == f.Path }) {
			c.Files = append(slices.Clip(c.Files), f)
		}
	}
	c.Git = w.git
}
