package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/moby/sys/user"

	"github.com/bottle-run/bottle/runtime/plan"
)

func inHome(path string) bool { return strings.HasPrefix(path, "~/") }

// A home is the home of a created container's user, and what else is in it. Nothing runs in the container
// to find it: what the runtime will read to start it, its files, is read out of it.
type home struct {
	engine *Engine
	name   string // of the container
	op     plan.Container
	image  *image.InspectResponse

	owner *user.ExecUser
	made  map[string]bool // directories that an entry makes
}

// entries returns what puts f, with data, into the container: of a file in the home
// also the directories that are missing.
func (h *home) entries(ctx context.Context, f plan.File, data []byte) ([]entry, error) {
	at := f.Path
	if inHome(at) {
		if err := h.find(ctx); err != nil {
			return nil, err
		}
		at = h.path(at)
	}
	if err := h.covered(at); err != nil {
		return nil, err
	}
	if f.Present != "" {
		there, err := h.read(ctx, at)
		if err != nil {
			return nil, err
		}
		if data, err = merge(f.Present, at, data, there); err != nil {
			return nil, err
		}
	}
	if !inHome(f.Path) {
		return []entry{{path: at, mode: f.Mode, data: data}}, nil
	}
	dirs, err := h.missing(ctx, path.Dir(at))
	if err != nil {
		return nil, err
	}
	return append(dirs, entry{path: at, mode: f.Mode, uid: h.owner.Uid, gid: h.owner.Gid, data: data}), nil
}

// covered refuses a path that a mount hides, or through which the engine would write
// to the host.
func (h *home) covered(at string) error {
	for _, m := range h.op.Mounts {
		if (m.Kind == plan.Bind || m.Kind == plan.Tmpfs) && (at == m.Target || strings.HasPrefix(at, m.Target+"/")) {
			return fmt.Errorf("%s would be hidden by, or written through, the mount at %s; mount that below the home and not in its place", at, m.Target)
		}
	}
	return nil
}

// path is where a path of the home is. What goes below ~/.config goes where the
// container is told that it is (the XDG Base Directory Specification).
func (h *home) path(p string) string {
	env := imageEnv(h.image)
	if rest, ok := strings.CutPrefix(p, "~/.config/"); ok {
		if dir := effective(h.op.Env, env, "XDG_CONFIG_HOME"); path.IsAbs(dir) {
			return path.Join(dir, rest)
		}
	}
	return path.Join(h.owner.Home, p[2:])
}

// find looks up whose home it is, by the rules of the runtime: moby/sys/user is
// what it uses itself. A container without /etc/passwd has a user all the same.
func (h *home) find(ctx context.Context) error {
	if h.owner != nil {
		return nil
	}
	spec := h.op.User
	if spec == "" && h.image != nil && h.image.Config != nil {
		spec = h.image.Config.User
	}
	passwd, err := h.read(ctx, "/etc/passwd")
	if err != nil {
		return err
	}
	group, err := h.read(ctx, "/etc/group")
	if err != nil {
		return err
	}
	owner, err := user.GetExecUser(spec, &user.ExecUser{Home: "/"}, bytes.NewReader(passwd), bytes.NewReader(group))
	if err != nil {
		return fmt.Errorf("the user %q of the container: %w", spec, err)
	}
	// The runtime takes HOME from the environment before it looks into /etc/passwd.
	if dir := effective(h.op.Env, imageEnv(h.image), "HOME"); dir != "" {
		owner.Home = dir
	}
	if !path.IsAbs(owner.Home) {
		owner.Home = "/"
	}
	h.owner = owner
	return nil
}

// missing returns the entries that make dir: from the home on they are its user's,
// above it root's.
func (h *home) missing(ctx context.Context, dir string) ([]entry, error) {
	if h.made == nil {
		h.made = map[string]bool{"/": true}
	}
	if h.made[dir] {
		return nil, nil
	}
	_, err := h.engine.c.api.ContainerStatPath(ctx, h.name, dir)
	switch {
	case err == nil:
		h.made[dir] = true
		return nil, nil
	case !cerrdefs.IsNotFound(err):
		return nil, fmt.Errorf("looking for %s: %w", dir, err)
	}
	above, err := h.missing(ctx, path.Dir(dir))
	if err != nil {
		return nil, err
	}
	x := entry{path: dir, mode: 0o755, dir: true}
	if !strings.HasPrefix(path.Clean(h.owner.Home)+"/", dir+"/") || dir == path.Clean(h.owner.Home) {
		x.uid, x.gid = h.owner.Uid, h.owner.Gid
	}
	h.made[dir] = true
	return append(above, x), nil
}

// maxThere bounds a file that is read out of a container: an image is not trusted
// to be small.
const maxThere = 1 << 20

// read returns a file of the container, or nil when there is none.
func (h *home) read(ctx context.Context, name string) ([]byte, error) {
	for range 8 { // links
		body, _, err := h.engine.c.api.CopyFromContainer(ctx, h.name, name)
		if cerrdefs.IsNotFound(err) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		data, link, err := first(body)
		_ = body.Close()
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		if link == "" {
			return data, nil
		}
		if !path.IsAbs(link) {
			link = path.Join(path.Dir(name), link)
		}
		name = link
	}
	return nil, fmt.Errorf("reading %s: too many links", name)
}

// first returns the file that is first in an archive, or where it links to.
func first(r io.Reader) (data []byte, link string, err error) {
	t := tar.NewReader(r)
	head, err := t.Next()
	switch {
	case err != nil:
		return nil, "", err
	case head.Typeflag == tar.TypeSymlink:
		return nil, head.Linkname, nil
	case head.Typeflag != tar.TypeReg:
		return nil, "", errors.New("it is not a regular file")
	case head.Size > maxThere:
		return nil, "", fmt.Errorf("it has more than %d bytes", maxThere)
	}
	data, err = io.ReadAll(t)
	return data, "", err
}

// The comments around what bottle puts into a file. In a home that is kept, the
// next launch knows it by them.
const (
	blockBegin = "# bottle: begin, made for one launch\n"
	blockEnd   = "# bottle: end\n"
)

// merge returns what becomes of a file that holds there.
func merge(p plan.Present, at string, data, there []byte) ([]byte, error) {
	rest := there
	if ours, ok := bytes.CutPrefix(there, []byte(blockBegin)); ok {
		if _, after, ok := bytes.Cut(ours, []byte(blockEnd)); ok {
			rest = after
		}
	}
	switch {
	case p != plan.PresentRefuse && p != plan.PresentPrepend:
		return nil, fmt.Errorf("%q is nothing that can be done about a file that is there", p)
	case p == plan.PresentRefuse && len(bytes.TrimSpace(rest)) > 0:
		return nil, fmt.Errorf("the image has a file at %s, which bottle does not mix with its own: remove it from the image, or leave the role out and write the file with files = [file(\"~/…\")]", at)
	}
	if len(data) > 0 && data[len(data)-1] != '\n' {
		data = append(bytes.Clone(data), '\n')
	}
	return bytes.Join([][]byte{[]byte(blockBegin), data, []byte(blockEnd), rest}, nil), nil
}
