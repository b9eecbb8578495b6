package docker_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/runtime"
	"github.com/bottle-run/bottle/runtime/docker"
	"github.com/bottle-run/bottle/runtime/plan"
)

// with returns the bench with an image that has further files; a directory ends in
// a slash, a link's content begins with "->".
func (b *bench) with(t *testing.T, files map[string]string) *bench {
	t.Helper()
	data, err := os.ReadFile(b.tar)
	if err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(bytes.NewReader(data))
	h, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	_ = w.WriteHeader(h)
	_, _ = io.Copy(w, r)
	for name, content := range files {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content))}
		if link, ok := strings.CutPrefix(content, "->"); ok {
			h = &tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: link, Mode: 0o777}
			content = ""
		} else if strings.HasSuffix(name, "/") {
			h = &tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755}
		}
		_ = w.WriteHeader(h)
		_, _ = io.WriteString(w, content)
	}
	_ = w.Close()
	other := *b
	other.tar = filepath.Join(t.TempDir(), "rootfs.tar")
	if err := os.WriteFile(other.tar, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	image := docker.Object{Kind: "image", ID: fmt.Sprintf("bottle-rootfs:%x", sha256.Sum256(out.Bytes()))[:len("bottle-rootfs:")+16]}
	t.Cleanup(func() {
		if err := b.c.Remove(context.WithoutCancel(t.Context()), []docker.Object{image}); err != nil {
			t.Error(err)
		}
	})
	return &other
}

const (
	passwd = "root:x:0:0::/root:/bin/sh\nnode:x:1000:1001:Node:/home/node:/bin/sh\nlost:x:7:8::/nonexistent/a:/bin/false\n"
	group  = "root:x:0:\nnode:x:1001:\nstaff:x:50:\n"
)

// tree creates a container and returns what is in it below the directories that the
// tests write to, as "mode uid:gid path content", and the error of its creation.
func (b *bench) tree(t *testing.T, op plan.Container) (map[string]string, error) {
	t.Helper()
	p := new(plan.Plan)
	add(t, p, "image:probe", plan.ImageRootfs{Tar: b.tar})
	deps := []plan.ID{"image:probe"}
	for _, m := range op.Mounts {
		if m.Kind == plan.Vol {
			add(t, p, m.Volume, plan.Volume{})
			deps = append(deps, m.Volume)
		}
	}
	op.Role, op.Image, op.Command = plan.Agent, "image:probe", []string{"/probe", "print"}
	add(t, p, "container:agent", op, deps...)
	e := b.c.Launch(docker.Launch{Name: b.name, Owner: "test", Material: material})
	s, err := (&runtime.Executor{Engine: e}).Up(t.Context(), p)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err := s.Down(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	return b.read(t, "/")
}

func (b *bench) read(t *testing.T, dir string) (map[string]string, error) {
	t.Helper()
	body, _, err := b.api.CopyFromContainer(t.Context(), "bottle-"+b.name+"-agent", dir)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	found := map[string]string{}
	for r := tar.NewReader(body); ; {
		h, err := r.Next()
		if err == io.EOF {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		var content []byte
		if h.Name != "/probe" {
			content, _ = io.ReadAll(r)
		}
		found["/"+strings.Trim(h.Name, "/")] = fmt.Sprintf("%04o %d:%d %s", h.Mode&0o7777, h.Uid, h.Gid, content)
	}
}

const begin, end = "# bottle: begin, made for one launch\n", "# bottle: end\n"

func npmrc(present plan.Present) []plan.File {
	return []plan.File{{Path: "~/.npmrc", Mode: 0o600, Source: plan.Literal("a = 1\n"), Present: present}}
}

// TestHome: a file for the home of the container's user is found there, and is its
// own, whatever the image says about its users.
func TestHome(t *testing.T) {
	base := newBench(t)
	users := map[string]string{"etc/passwd": passwd, "etc/group": group, "home/node/": ""}
	for name, test := range map[string]struct {
		image map[string]string
		op    plan.Container
		want  map[string]string
	}{
		"root":           {users, plan.Container{}, map[string]string{"/root": "0755 0:0 ", "/root/.npmrc": "0600 0:0 a = 1\n"}},
		"name":           {users, plan.Container{User: "node"}, map[string]string{"/home": "0755 0:0 ", "/home/node/.npmrc": "0600 1000:1001 a = 1\n"}},
		"uid":            {users, plan.Container{User: "1000"}, map[string]string{"/home/node/.npmrc": "0600 1000:1001 a = 1\n"}},
		"name and group": {users, plan.Container{User: "node:staff"}, map[string]string{"/home/node/.npmrc": "0600 1000:50 a = 1\n"}},
		"stranger":       {users, plan.Container{User: "4711:4712"}, map[string]string{"/.npmrc": "0600 4711:4712 a = 1\n"}},
		"no home yet": {users, plan.Container{User: "lost"}, map[string]string{
			"/nonexistent": "0755 0:0 ", "/nonexistent/a": "0755 7:8 ", "/nonexistent/a/.npmrc": "0600 7:8 a = 1\n",
		}},
		"no passwd":   {nil, plan.Container{}, map[string]string{"/.npmrc": "0600 0:0 a = 1\n"}},
		"linked away": {map[string]string{"etc/passwd": "->../nix/passwd", "nix/passwd": passwd}, plan.Container{User: "node"}, map[string]string{"/home/node": "0755 1000:1001 ", "/home/node/.npmrc": "0600 1000:1001 a = 1\n"}},
		"HOME":        {users, plan.Container{User: "node", Env: map[string]string{"HOME": "/work"}}, map[string]string{"/work": "0755 1000:1001 ", "/work/.npmrc": "0600 1000:1001 a = 1\n"}},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			b := base.with(t, test.image)
			test.op.Files = npmrc("")
			got, err := b.tree(t, test.op)
			if err != nil {
				t.Fatal(err)
			}
			for path, want := range test.want {
				if got[path] != want {
					t.Errorf("%s is %q, want %q", path, got[path], want)
				}
			}
		})
	}
}

// TestHomeOfNobody: a user that the image does not know is an error that names it.
func TestHomeOfNobody(t *testing.T) {
	b := newBench(t).with(t, map[string]string{"etc/passwd": passwd})
	if _, err := b.tree(t, plan.Container{User: "ghost", Files: npmrc("")}); err == nil || !strings.Contains(err.Error(), `the user "ghost"`) {
		t.Errorf("got %v", err)
	}
}

// TestHomeIsShared: what the image has in the home stays, with the directories that
// it has; what bottle must not mix with it is refused.
func TestHomeIsShared(t *testing.T) {
	b := newBench(t).with(t, map[string]string{"etc/passwd": passwd, "home/node/.config/": "", "home/node/.npmrc": "theirs = 1\n", "home/node/.config/tea": "->/etc"})
	got, err := b.tree(t, plan.Container{User: "node", Files: append(npmrc(plan.PresentPrepend), plan.File{
		Path: "~/.config/deep/er/x", Mode: 0o600, Source: plan.Literal("x"), Present: plan.PresentRefuse,
	})})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/home/node/.npmrc":            "0600 1000:1001 " + begin + "a = 1\n" + end + "theirs = 1\n",
		"/home/node/.config":           "0755 0:0 ",
		"/home/node/.config/deep":      "0755 1000:1001 ",
		"/home/node/.config/deep/er":   "0755 1000:1001 ",
		"/home/node/.config/deep/er/x": "0600 1000:1001 " + begin + "x\n" + end,
	} {
		if got[path] != want {
			t.Errorf("%s is %q, want %q", path, got[path], want)
		}
	}
	_, err = b.tree(t, plan.Container{User: "node", Files: npmrc(plan.PresentRefuse)})
	if err == nil || !strings.Contains(err.Error(), "the image has a file at /home/node/.npmrc") {
		t.Errorf("got %v", err)
	}
	got, err = b.tree(t, plan.Container{User: "node", Files: npmrc("")})
	if err != nil || got["/home/node/.npmrc"] != "0600 1000:1001 a = 1\n" {
		t.Errorf("got %q, %v: the script's own file replaces the image's", got["/home/node/.npmrc"], err)
	}
	cargo := []plan.File{{Path: "/.cargo/config.toml", Mode: 0o644, Source: plan.Literal("[x]\n"), Present: plan.PresentRefuse}}
	got, err = b.tree(t, plan.Container{User: "node", Files: cargo})
	if want := "0644 0:0 " + begin + "[x]\n" + end; err != nil || got["/.cargo/config.toml"] != want {
		t.Errorf("got %q, %v, want %q", got["/.cargo/config.toml"], err, want)
	}
	for _, test := range []struct {
		op   plan.Container
		want string
	}{
		{plan.Container{Files: []plan.File{{Path: "/etc/passwd", Mode: 0o644, Source: plan.Literal("x"), Present: plan.PresentRefuse}}}, "the image has a file at /etc/passwd"},
		{plan.Container{User: "node", Files: npmrc(""), Mounts: []plan.Mount{{Kind: plan.Bind, Source: t.TempDir(), Target: "/home/node"}}}, "the mount at /home/node"},
		{plan.Container{User: "node", Files: npmrc(""), Mounts: []plan.Mount{{Kind: plan.Tmpfs, Target: "/home", Size: 1 << 20}}}, "the mount at /home"},
	} {
		if _, err := b.tree(t, test.op); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
}

// TestHomeThatIsKept: in a volume that lives on, the next launch replaces what the
// last one wrote, and nothing else.
func TestHomeThatIsKept(t *testing.T) {
	base := newBench(t)
	b := base.with(t, map[string]string{"etc/passwd": passwd, "home/node/.npmrc": begin + "a = 0\n" + end + "theirs = 1\n"})
	for present, want := range map[plan.Present]string{
		plan.PresentPrepend: begin + "a = 1\n" + end + "theirs = 1\n",
		plan.PresentRefuse:  "",
	} {
		got, err := b.tree(t, plan.Container{User: "node", Files: npmrc(present)})
		if want == "" {
			if err == nil {
				t.Error("what follows the block is the image's, and was overwritten")
			}
			continue
		}
		if err != nil || got["/home/node/.npmrc"] != "0600 1000:1001 "+want {
			t.Errorf("got %q, %v", got["/home/node/.npmrc"], err)
		}
	}
	b = base.with(t, map[string]string{"etc/passwd": passwd, "home/node/.npmrc": begin + "a = 0\n" + end})
	got, err := b.tree(t, plan.Container{Env: map[string]string{"HOME": "/home/node"}, Files: npmrc(plan.PresentRefuse)})
	if err != nil || got["/home/node/.npmrc"] != "0600 0:0 "+begin+"a = 1\n"+end {
		t.Errorf("got %q, %v: a file of the last launch alone is bottle's to replace", got["/home/node/.npmrc"], err)
	}
	v := []plan.Mount{{Kind: plan.Vol, Volume: "volume:home", Target: "/home/node"}}
	if _, err := b.tree(t, plan.Container{User: "node", Files: npmrc(plan.PresentPrepend), Mounts: v}); err != nil {
		t.Errorf("a home in a volume: %v", err)
	}
}
