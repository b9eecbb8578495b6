package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"

	"github.com/bottle-run/bottle/runtime/plan"
)

// copyFiles puts the files of a created container into it, all in one archive:
// each copy costs the engine a mount of the container's file system.
func (e *Engine) copyFiles(ctx context.Context, n *plan.Node, op plan.Container, found *image.InspectResponse) error {
	if len(op.Files) == 0 {
		return nil
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	h := &home{engine: e, name: e.name(n.ID), op: op, image: found}
	for _, f := range op.Files {
		if err := e.addTo(ctx, w, h, f); err != nil {
			return fmt.Errorf("file %s: %w", f.Path, err)
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	if err := e.c.api.CopyToContainer(ctx, e.name(n.ID), "/", &archive, container.CopyToContainerOptions{}); err != nil {
		return fmt.Errorf("copying files in: %w", err)
	}
	return nil
}

// addTo appends f to an archive, with what else it needs to be where it belongs.
func (e *Engine) addTo(ctx context.Context, w *tar.Writer, h *home, f plan.File) error {
	data, err := e.l.Material(ctx, f.Source)
	if err != nil {
		return err
	}
	entries, err := h.entries(ctx, f, data)
	if err != nil {
		return err
	}
	for _, x := range entries {
		if err := x.write(w); err != nil {
			return err
		}
	}
	return nil
}

// An entry is a file or directory of an archive, with no time, so that the same
// files give the same archive. The zero owner is root.
type entry struct {
	path     string
	mode     int64
	uid, gid int
	dir      bool
	data     []byte
}

func (x entry) write(w *tar.Writer) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(path.Clean(x.path), "/"), Mode: x.mode, Uid: x.uid, Gid: x.gid, Size: int64(len(x.data))}
	if x.dir {
		h.Typeflag, h.Size, h.Name = tar.TypeDir, 0, h.Name+"/"
	}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	_, err := w.Write(x.data)
	return err
}

// addFile appends one regular file, owned by root.
func addFile(w *tar.Writer, name string, mode int64, data []byte) error {
	return entry{path: name, mode: mode, data: data}.write(w)
}
