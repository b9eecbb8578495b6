package docker

import (
	"archive/tar"
	"bufio"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/docker/docker/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bottle-run/bottle/runtime/plan"
)

// The tags under which images that bottle makes are found again: a kind, then
// the first 16 hex digits of the content's SHA-256. What bears the name is held
// against all of it, see genuine.
const (
	sidecarTag = "bottle-sidecar"
	rootfsTag  = "bottle-rootfs"
)

// A layer is the one layer of an image that bottle makes: an uncompressed tar
// archive, which can be read more than once.
type layer struct {
	size   int64
	digest string // hex SHA-256
	open   func() (io.ReadCloser, error)
}

// sidecar makes sure of the image of bottle's own executable.
func (e *Engine) sidecar(ctx context.Context, n *plan.Node) (string, error) {
	if ref := e.l.SidecarImage; ref != "" {
		return ref, e.ensure(ctx, n, plan.Image{Ref: ref, Pull: plan.PullMissing})
	}
	arch, err := e.c.architecture(ctx)
	if err != nil {
		return "", err
	}
	path, err := e.l.Executable(arch)
	if err != nil {
		return "", err
	}
	l, err := e.measure(path, executableLayer)
	if err != nil {
		return "", err
	}
	return e.load(ctx, n, sidecarTag, arch, l, ocispec.ImageConfig{
		User: "65532:65532", Entrypoint: []string{"/bottle"}, WorkingDir: "/",
		Labels: map[string]string{LabelImage: "sidecar"},
	})
}

// rootfs makes sure of an image of a tar archive.
func (e *Engine) rootfs(ctx context.Context, n *plan.Node, op plan.ImageRootfs) (string, error) {
	path, err := e.hostPath(op.Tar)
	if err != nil {
		return "", err
	}
	l, err := e.measure(path, openTar)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", op.Tar, err)
	}
	arch, err := e.c.architecture(ctx)
	if err != nil {
		return "", err
	}
	return e.load(ctx, n, rootfsTag, arch, l, ocispec.ImageConfig{
		Env:    []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		Labels: map[string]string{LabelImage: "rootfs"},
	})
}

// measure returns the layer that open makes of the file at path.
func (e *Engine) measure(path string, open func(string) (io.ReadCloser, error)) (layer, error) {
	opened := func() (io.ReadCloser, error) { return open(path) }
	l, err := recall(e.l.Cache, path, func() (layer, error) { return measure(opened) })
	l.open = opened
	return l, err
}

// measure reads a layer once for its size and digest.
func measure(open func() (io.ReadCloser, error)) (layer, error) {
	r, err := open()
	if err != nil {
		return layer{}, err
	}
	defer r.Close()
	h := sha256.New()
	size, err := io.Copy(h, r)
	if err != nil {
		return layer{}, err
	}
	return layer{size: size, digest: hex.EncodeToString(h.Sum(nil))}, nil
}

// executableLayer is an archive with one file, /bottle.
func executableLayer(path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	r, w := io.Pipe()
	go func() {
		defer f.Close()
		t := tar.NewWriter(w)
		err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "bottle", Mode: 0o755, Size: info.Size()})
		if err == nil {
			_, err = io.Copy(t, f)
		}
		if err == nil {
			err = t.Close()
		}
		_ = w.CloseWithError(err) // nil is the end
	}()
	return r, nil
}

// openTar opens an archive, gzipped or plain.
func openTar(path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	br := bufio.NewReaderSize(f, 1<<20)
	magic, _ := br.Peek(2)
	if string(magic) != "\x1f\x8b" { // RFC 1952, 2.3.1
		return readCloser{br, f}, nil
	}
	z, err := gzip.NewReader(br)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return readCloser{z, f}, nil
}

type readCloser struct {
	io.Reader
	io.Closer
}

// load finds the image of l, or hands it to the engine as an uncompressed archive
// in the form of `docker save` (the Docker Image Specification, version 1.2), and
// returns its ID.
func (e *Engine) load(ctx context.Context, n *plan.Node, tag, arch string, l layer, config ocispec.ImageConfig) (string, error) {
	ref := tag + ":" + l.digest[:16]
	id, other, err := e.c.genuine(ctx, ref, arch, l, config)
	if err != nil || id != "" {
		return id, err
	}
	if other != "" {
		e.progress(n, "the engine calls another image %s: %s", ref, other)
	}
	e.progress(n, "loading %s, %d MB", ref, l.size/1e6)
	if err := e.send(ctx, n, ref, arch, l, config); err != nil {
		return "", fmt.Errorf("loading %s: %w", ref, err)
	}
	id, other, err = e.c.genuine(ctx, ref, arch, l, config)
	if err == nil && id == "" {
		err = fmt.Errorf("the engine took %s and has something else under that name: %s", ref, cmp.Or(other, "nothing"))
	}
	return id, err
}

func (e *Engine) send(ctx context.Context, n *plan.Node, ref, arch string, l layer, config ocispec.ImageConfig) error {
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(writeImage(w, ref, arch, l, config)) }()
	defer r.Close() // ends the writer when the engine took less than all
	resp, err := e.c.api.ImageLoad(ctx, r, client.ImageLoadWithQuiet(true))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = e.follow(n, resp.Body)
	return err
}

func writeImage(w io.Writer, ref, arch string, l layer, config ocispec.ImageConfig) error {
	spec, err := json.Marshal(struct {
		Architecture string              `json:"architecture"`
		OS           string              `json:"os"`
		Config       ocispec.ImageConfig `json:"config"`
		RootFS       any                 `json:"rootfs"`
	}{arch, "linux", config, map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + l.digest}}})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{ref}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return err
	}
	t := tar.NewWriter(w)
	if err := addFile(t, "manifest.json", 0o644, manifest); err != nil {
		return err
	}
	if err := addFile(t, "config.json", 0o644, spec); err != nil {
		return err
	}
	if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "layer.tar", Mode: 0o644, Size: l.size}); err != nil {
		return err
	}
	r, err := l.open()
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := io.Copy(t, r); err != nil {
		return err
	}
	return t.Close()
}
