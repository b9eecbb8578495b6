package docker

import (
	"context"
	"fmt"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/bottle-run/bottle/runtime/plan"
)

func (e *Engine) process(id plan.ID) (*process, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.running[id]
	if p == nil {
		return nil, fmt.Errorf("%s was not started", id)
	}
	return p, nil
}

// Wait returns the exit status of a started container. All of its output has
// been delivered when it returns without an error.
func (e *Engine) Wait(ctx context.Context, id plan.ID) (int, error) {
	p, err := e.process(id)
	if err != nil {
		return 0, err
	}
	select {
	case <-p.exited:
		return p.code, p.waitErr
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// Signal sends a signal, "SIGINT", to a container's first process. A container
// that has ended needs none.
func (e *Engine) Signal(ctx context.Context, id plan.ID, signal string) error {
	err := e.c.api.ContainerKill(ctx, e.name(id), signal)
	if cerrdefs.IsNotFound(err) || cerrdefs.IsConflict(err) {
		return nil
	}
	return err
}

// Resize tells a container's terminal its size in characters.
func (e *Engine) Resize(ctx context.Context, id plan.ID, width, height uint) error {
	return e.c.api.ContainerResize(ctx, e.name(id), container.ResizeOptions{Width: width, Height: height})
}

// explainStart adds what to do to the engine's refusals to start a container.
func explainStart(err error, c plan.Container) error {
	s := err.Error()
	switch {
	case len(c.Setup) > 0 && strings.Contains(s, "/bin/sh"):
		return fmt.Errorf("%w\nsetup= needs an image with /bin/sh", err)
	case strings.Contains(s, "executable file not found") || strings.Contains(s, "no such file or directory"):
		return fmt.Errorf("%w\nthe image has no such program: check command= and the image", err)
	case strings.Contains(s, "unknown or invalid runtime"), strings.Contains(s, "Unknown runtime"):
		return fmt.Errorf("%w\n`docker info` lists the runtimes that the engine knows", err)
	case strings.Contains(s, "permission denied"):
		return fmt.Errorf("%w\nis the program executable, and may user= run it?", err)
	}
	return err
}
