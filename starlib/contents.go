package starlib

import (
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/bottle-run/bottle/runtime/plan"
)

// contents reads the mounts, files and needs of a container.
func (c *call) contents(m *member) {
	var targets []string
	for _, v := range c.list("mounts", "mounts") {
		d, ok := handleOf[mountDecl](c, "mounts", "mount(…), volume(…) or tmpfs(…)"+asMount(v), v)
		if !ok {
			return
		}
		for _, t := range targets {
			if t == d.Target {
				c.wrong("mounts", "%q is mounted twice", t)
			}
		}
		targets = append(targets, d.Target)
		m.mounts = append(m.mounts, d)
	}
	m.op.Files = c.files(targets)
	for _, v := range c.list("needs", "services") {
		n, ok := handleOf[*member](c, "needs", "what service(…) returned", v)
		if !ok {
			return
		}
		if n.op.Role != plan.Service {
			c.wrong("needs", "%q is an agent; only services are waited for", n.name)
		}
		m.needs = append(m.needs, n)
	}
}

// asMount helps those who write "source:target", as docker run takes it.
func asMount(v starlark.Value) string {
	s, _ := starlark.AsString(v)
	source, target, ok := strings.Cut(s, ":")
	if !ok {
		return ""
	}
	target, option, _ := strings.Cut(target, ":")
	cure := "; write mount(" + strconv.Quote(source) + ", " + strconv.Quote(target)
	if option == "ro" {
		cure += ", read_only = True"
	}
	return cure + ")"
}

// files returns the files of a container. One below a mount would be hidden by it.
func (c *call) files(mounts []string) []plan.File {
	var out []plan.File
	for _, v := range c.list("files", "files") {
		f, ok := handleOf[plan.File](c, "files", "file(…)", v)
		if !ok {
			return out
		}
		for _, old := range out {
			if below(f.Path, old.Path) || below(old.Path, f.Path) {
				c.wrong("files", "%q and %q cannot both be files", old.Path, f.Path)
			}
		}
		for _, target := range mounts {
			if below(f.Path, target) {
				c.wrong("files", "%q is hidden by the mount at %q; choose another path", f.Path, target)
			}
		}
		out = append(out, f)
	}
	return out
}

// below reports whether p is dir or a path below it.
func below(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }
