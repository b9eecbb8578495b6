package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/docker/docker/api/types/container"

	"github.com/bottle-run/bottle/runtime/plan"
)

// copyFiles puts the files of a created container into it, all in one archive:
// each copy costs the engine a mount of the container's file system.
func (e *Engine) copyFiles(ctx context.Context, n *plan.Node, op plan.Container) error {
	if len(op.Files) == 0 {
		return nil
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, f := range op.Files {
		data, err := e.l.Material(ctx, f.Source)
		if err != nil {
			return fmt.Errorf("file %s: %w", f.Path, err)
		}
		if err := addFile(w, strings.TrimPrefix(f.Path, "/"), f.Mode, data); err != nil {
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

// addFile appends one regular file, owned by root, with no time, so that the same
// files give the same archive.
func addFile(w *tar.Writer, name string, mode int64, data []byte) error {
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(data))}); err != nil {
		return err
	}
	_, err := w.Write(data)
	return err
}
