package starlib

import (
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/bottle-run/bottle/runtime/plan"
)

// content are the builtins about what a container is made of and sees.
func content() []*Builtin {
	target := Arg{Name: "target", Type: "string", Doc: "an absolute path in the container"}
	return []*Builtin{
		{
			Name: "image",
			Doc:  "Names an image that the engine has or pulls. Where a container wants an image, a plain string means the same.",
			Params: []Arg{
				{Name: "ref", Type: "string", Doc: `such as "node:22-slim" or "node@sha256:…"`},
				{Name: "pull", Type: "string", Default: `"missing"`, Keyword: true, Doc: `"missing", "always" or "never"`},
			},
			call: func(c *call) (starlark.Value, error) {
				pull := plan.Pull(c.oneOf("pull", "missing", "missing", "always", "never"))
				return imageValue(imageOf(c, "ref", c.str("ref", ""), pull)), nil
			},
		},
		{
			Name: "image_build",
			Doc:  "Makes an image of a Dockerfile, by the engine.",
			Params: []Arg{
				{Name: "context", Type: "string", Doc: "the directory that the build sees, relative to the launch script"},
				{Name: "dockerfile", Type: "string", Default: `"Dockerfile"`, Keyword: true, Doc: "its path within the context"},
				{Name: "args", Type: "dict of strings", Default: "{}", Keyword: true, Doc: "build arguments; they stay in the image's history, so never a secret"},
			},
			call: func(c *call) (starlark.Value, error) {
				op := plan.ImageBuild{Context: hostPath(c, "context"), Dockerfile: c.str("dockerfile", "Dockerfile"), Args: c.dict("args")}
				if !fs.ValidPath(op.Dockerfile) {
					c.wrong("dockerfile", "%q is not a path within the context", op.Dockerfile)
				}
				name := op.Context
				if op.Dockerfile != "Dockerfile" {
					name = path.Join(op.Context, op.Dockerfile)
				}
				return imageValue(imageDecl{name: name, op: op, pos: c.pos, via: c.via}), nil
			},
		},
		{
			Name:   "image_rootfs",
			Doc:    "Makes an image of a tar archive of a root file system, plain or gzipped. It needs no registry.",
			Params: []Arg{{Name: "tar", Type: "string", Doc: "the archive, relative to the launch script"}},
			call: func(c *call) (starlark.Value, error) {
				tar := hostPath(c, "tar")
				return imageValue(imageDecl{name: tar, op: plan.ImageRootfs{Tar: tar}, pos: c.pos, via: c.via}), nil
			},
		},
		{
			Name: "mount",
			Doc:  "Shows a directory or file of the host in a container.",
			Params: []Arg{
				{Name: "source", Type: "string", Doc: "absolute, below `~/`, or relative to the launch script; it must exist"},
				target,
				{Name: "read_only", Type: "bool", Default: "False", Keyword: true, Doc: "whether the container may only read it"},
			},
			call: func(c *call) (starlark.Value, error) {
				m := plan.Mount{Kind: plan.Bind, Source: hostPath(c, "source"), Target: targetPath(c, "target"), ReadOnly: c.boolean("read_only")}
				refuseSource(c, m.Source)
				return &opaque[mountDecl]{v: mountDecl{Mount: m}, typ: "mount", text: "mount(" + strconv.Quote(m.Source) + ", " + strconv.Quote(m.Target) + ")"}, nil
			},
		},
		{
			Name: "volume",
			Doc:  "Gives a container a volume of the engine: an empty one that goes with the launch, or with `keep` one that launches share, such as a cache.",
			Params: []Arg{
				target,
				{Name: "name", Type: "string", Default: "None", Keyword: true, Doc: "containers that name the same volume share it"},
				{Name: "keep", Type: "bool", Default: "False", Keyword: true, Doc: "whether it outlives the launch; it then needs a name. What one launch writes the next one reads"},
				{Name: "read_only", Type: "bool", Default: "False", Keyword: true, Doc: "whether the container may only read it"},
			},
			call: volumeBuiltin,
		},
		{
			Name: "tmpfs",
			Doc:  "Gives a container a directory in memory.",
			Params: []Arg{
				target,
				{Name: "size", Type: "size", Default: `"64m"`, Keyword: true, Doc: "the most that it holds"},
			},
			call: func(c *call) (starlark.Value, error) {
				m := plan.Mount{Kind: plan.Tmpfs, Target: targetPath(c, "target"), Size: c.bytes("size", "64m")}
				return &opaque[mountDecl]{v: mountDecl{Mount: m}, typ: "tmpfs", text: "tmpfs(" + strconv.Quote(m.Target) + ")"}, nil
			},
		},
		{
			Name: "file",
			Doc: "Puts a file into a container before it starts: from the script itself, or from a file of the script's module, which is read when the script is. " +
				"It is root's, or below `~/` that of the container's user.",
			Params: []Arg{
				{Name: "path", Type: "string", Doc: "an absolute path in the container, or `~/…` for the home of its user"},
				{Name: "content", Type: "string or bytes", Default: "None", Doc: "what it holds"},
				{Name: "src", Type: "string", Default: "None", Keyword: true, Doc: "the file to copy, relative to the launch script"},
				{Name: "mode", Type: "int", Default: "0o644", Keyword: true, Doc: "its permissions"},
			},
			call: fileBuiltin,
		},
	}
}

// An imageDecl is an image that was asked for; the node is made when a container
// uses it.
type imageDecl struct {
	name string
	op   plan.Op
	pos  plan.Pos
	via  []plan.Pos
}

func imageValue(d imageDecl) starlark.Value {
	return &opaque[imageDecl]{v: d, typ: "image", text: "image(" + strconv.Quote(d.name) + ")"}
}

func imageOf(c *call, param, ref string, pull plan.Pull) imageDecl {
	if ref == "" || strings.ContainsAny(ref, " \t\n\"'\\") || strings.Contains(ref, "://") {
		c.wrong(param, "%q is not the name of an image, such as \"debian:12-slim\"", ref)
	}
	return imageDecl{name: ref, op: plan.Image{Ref: ref, Pull: pull}, pos: c.pos, via: c.via}
}

// image returns the image that a container is made of.
func (c *call) image(param string) imageDecl {
	if s, ok := starlark.AsString(c.args[param]); ok {
		return imageOf(c, param, s, plan.PullMissing)
	}
	d, _ := handle[imageDecl](c, param, `the name of an image, or image(…), image_build(…), image_rootfs(…)`)
	return d
}

// A mountDecl is a mount, and of a volume its name in the launch.
type mountDecl struct {
	plan.Mount
	volume string // "" makes one of the container's own
	keep   bool
	pos    plan.Pos
	via    []plan.Pos
}

func volumeBuiltin(c *call) (starlark.Value, error) {
	m := mountDecl{
		Mount:  plan.Mount{Kind: plan.Vol, Target: targetPath(c, "target"), ReadOnly: c.boolean("read_only")},
		volume: c.str("name", ""), keep: c.boolean("keep"), pos: c.pos, via: c.via,
	}
	if m.keep && m.volume == "" {
		c.wrong("keep", "a volume that outlives the launch needs a name, by which the next launch finds it")
	}
	if m.volume != "" {
		checkName(c, m.volume)
	}
	return &opaque[mountDecl]{v: m, typ: "volume", text: "volume(" + strconv.Quote(m.Target) + ")"}, nil
}

// maxFile bounds a file that a script copies in; more belongs into an image or a
// mount.
const maxFile = 16 << 20

func fileBuiltin(c *call) (starlark.Value, error) {
	f := plan.File{Path: filePath(c, "path"), Mode: c.integer("mode", 0o644, 0, math.MaxInt64)}
	if f.Mode > 0o777 {
		c.wrong("mode", "%#o has more than permission bits; 0o755 is the most that a program needs", f.Mode)
	}
	var data []byte
	switch v := c.args["content"].(type) {
	case nil:
	case starlark.String:
		data = []byte(v)
	case starlark.Bytes:
		data = []byte(v)
	default:
		c.wrong("content", "got %s, want string%s", describe(v), secretHint(v))
	}
	src := c.str("src", "")
	switch {
	case c.given("content") == c.given("src"):
		return nil, c.errorf("want either content or src=")
	case c.given("src"):
		data = c.read("src", src)
	}
	if len(data) > maxFile {
		c.wrong("path", "the file has %d bytes; put more than %d into an image, or mount it", len(data), maxFile)
	}
	f.Source = plan.Literal(data)
	return &opaque[plan.File]{v: f, typ: "file", text: "file(" + strconv.Quote(f.Path) + ")"}, nil
}

// read returns a file of the module that the launch script belongs to: relative
// to the script, or with "//" to the root of the module.
func (c *call) read(param, name string) []byte {
	file, fromRoot := strings.CutPrefix(name, "//")
	if !fromRoot {
		file = path.Join(path.Dir(c.s.o.Script), name)
	}
	if !fs.ValidPath(file) || file == "." || path.IsAbs(name) && !fromRoot {
		c.wrong(param, "%q is no file of the script's module; write its path from the directory of the launch script, and keep it below the root of the module", name)
		return nil
	}
	info, err := fs.Stat(c.s.o.FS, file)
	switch {
	case err != nil:
		c.wrong(param, "%s: %v", name, pathCause(err))
		return nil
	case !info.Mode().IsRegular():
		c.wrong(param, "%s is not a file", name)
		return nil
	case info.Size() > maxFile:
		c.wrong(param, "%s has %d bytes; put more than %d into an image, or mount it", name, info.Size(), maxFile)
		return nil
	}
	b, err := fs.ReadFile(c.s.o.FS, file)
	if err != nil {
		c.wrong(param, "%s: %v", name, pathCause(err))
	}
	return b
}
