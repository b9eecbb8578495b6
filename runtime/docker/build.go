package docker

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/docker/docker/api/types/build"
	"github.com/moby/go-archive"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/bottle-run/bottle/runtime/plan"
)

// build has the engine make an image of a Dockerfile. The engine's own cache
// decides what is new.
func (e *Engine) build(ctx context.Context, n *plan.Node, op plan.ImageBuild) (string, error) {
	dir, err := e.hostPath(op.Context)
	if err != nil {
		return "", fmt.Errorf("the build context: %w", err)
	}
	ignored, err := ignorePatterns(dir)
	if err != nil {
		return "", err
	}
	// The Dockerfile goes along whatever .dockerignore says of it, as docker does.
	ignored = append(ignored, "!"+op.Dockerfile, "!.dockerignore")
	context, err := archive.TarWithOptions(dir, &archive.TarOptions{ExcludePatterns: ignored})
	if err != nil {
		return "", fmt.Errorf("reading the build context: %w", err)
	}
	defer context.Close()
	args := make(map[string]*string, len(op.Args))
	for k, v := range op.Args {
		args[k] = &v
	}
	tag, err := buildTag(dir, op)
	if err != nil {
		return "", err
	}
	resp, err := e.c.api.ImageBuild(ctx, context, build.ImageBuildOptions{
		Tags: []string{tag}, Dockerfile: op.Dockerfile, BuildArgs: args, Remove: true, ForceRemove: true,
		Labels: map[string]string{LabelImage: "build"},
	})
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	// By now the tag may be on what another launch made of the same files.
	id, err := e.follow(n, resp.Body)
	return cmp.Or(id, tag), err
}

// buildTag names what is built of a directory in one way: the next build of it takes
// the name over.
func buildTag(dir string, op plan.ImageBuild) (string, error) {
	op.Context = dir
	b, err := json.Marshal(op)
	sum := sha256.Sum256(b)
	return "bottle-build:" + hex.EncodeToString(sum[:6]), err
}

func ignorePatterns(dir string) ([]string, error) {
	f, err := os.Open(filepath.Join(dir, ".dockerignore"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ignorefile.ReadAll(io.LimitReader(f, 1<<20))
}
