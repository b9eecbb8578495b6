package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"

	"github.com/bottle-run/bottle/runtime/plan"
)

// A kind of object that can be looked at and removed by its name.
type kind interface {
	labels(ctx context.Context, name string) (map[string]string, error)
	remove(ctx context.Context, name string) error
}

type (
	containers struct{ c *Client }
	networks   struct{ c *Client }
	volumes    struct{ c *Client }
)

func (k containers) labels(ctx context.Context, name string) (map[string]string, error) {
	found, err := k.c.api.ContainerInspect(ctx, name)
	if err != nil || found.Config == nil {
		return nil, err
	}
	return found.Config.Labels, nil
}

func (k containers) remove(ctx context.Context, name string) error {
	return k.c.api.ContainerRemove(ctx, name, container.RemoveOptions{Force: true, RemoveVolumes: true})
}

func (k networks) labels(ctx context.Context, name string) (map[string]string, error) {
	found, err := k.c.api.NetworkInspect(ctx, name, network.InspectOptions{})
	return found.Labels, err
}

func (k networks) remove(ctx context.Context, name string) error {
	return k.c.api.NetworkRemove(ctx, name)
}

func (k volumes) labels(ctx context.Context, name string) (map[string]string, error) {
	found, err := k.c.api.VolumeInspect(ctx, name)
	return found.Labels, err
}

func (k volumes) remove(ctx context.Context, name string) error {
	return k.c.api.VolumeRemove(ctx, name, false)
}

// lateCreate is for how long a create without an answer is looked for: a request
// that was cancelled on our side goes on inside the engine, which makes a network
// in a tenth of a second and, under load, in a few.
const lateCreate = 5 * time.Second

// firstWait is how long the second attempt to remove something waits.
const firstWait = 20 * time.Millisecond

// maxRefusals is how often an engine may fail to remove something, for a reason
// that is not known to pass, before that is the answer.
const maxRefusals = 5

// deserted waits until the containers on a network have gone, because before that
// attempts to remove it are in vain and hold up the engine, which works on one
// network at a time. It is only a matter of economy: after lastWords the attempts
// begin anyway.
func (e *Engine) deserted(ctx context.Context, network plan.ID) {
	ctx, cancel := context.WithTimeout(ctx, lastWords)
	defer cancel()
	e.mu.Lock()
	var on []*process
	for _, p := range e.running {
		if op, _ := p.node.Op.(plan.Container); slices.ContainsFunc(op.Networks, func(ep plan.Endpoint) bool { return ep.Network == network }) {
			on = append(on, p)
		}
	}
	e.mu.Unlock()
	for _, p := range on {
		select {
		case <-p.removed:
		case <-ctx.Done():
			return
		}
	}
}

// left says that the removal of a container was tried.
func (e *Engine) left(id plan.ID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p := e.running[id]; p != nil {
		select {
		case <-p.removed: // tried before
		default:
			close(p.removed)
		}
	}
}

// remove removes the object of n if it is ours, and waits until it is gone.
func (e *Engine) remove(ctx context.Context, n *plan.Node, k kind) error {
	name := e.name(n.ID)
	deadline := time.Now()
	e.mu.Lock()
	id := e.ids[n.ID]
	if e.unsure[n.ID] {
		deadline = deadline.Add(lateCreate)
	}
	e.mu.Unlock()
	refused := 0
	for wait := firstWait; ; wait = min(2*wait, 500*time.Millisecond) {
		gone, err := e.removeOnce(ctx, name, id, k)
		if gone && !time.Now().Before(deadline) {
			return nil
		}
		if inUse(err) {
			wait = firstWait // its containers end any moment, and the engine removes networks one by one
		}
		if err != nil && !passing(err) {
			if refused++; refused > maxRefusals {
				return fmt.Errorf("%w; remove it with: bottle prune %s", err, e.l.Name)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is still there: %w; remove it with: bottle prune %s", name, context.Cause(ctx), e.l.Name)
		case <-time.After(wait):
		}
	}
}

// removeOnce tries once, and reports whether nothing of ours has the name. What the
// engine gave us an id for is ours; of anything else its labels say so.
func (e *Engine) removeOnce(ctx context.Context, name, id string, k kind) (gone bool, err error) {
	if id != "" {
		err = k.remove(ctx, id)
		return err == nil || cerrdefs.IsNotFound(err), err
	}
	labels, err := k.labels(ctx, name)
	switch {
	case cerrdefs.IsNotFound(err):
		return true, nil
	case err != nil:
		return false, err
	case labels[LabelLaunch] != e.l.Name || labels[LabelOwner] != e.l.Owner:
		return true, nil // somebody else's, which is why our create failed
	}
	err = k.remove(ctx, name)
	return err == nil || cerrdefs.IsNotFound(err), err
}

// inUse reports whether a network cannot go because a container is still on it.
func inUse(err error) bool {
	return err != nil && strings.Contains(err.Error(), "has active endpoints")
}

// passing reports whether the engine's refusal to remove something passes by
// itself: somebody else is removing it, what uses it is just going, or the engine
// itself is, as when it is restarted.
func passing(err error) bool {
	if client.IsErrConnectionFailed(err) || errors.Is(err, io.EOF) {
		return true
	}
	s := err.Error()
	for _, words := range []string{"already in progress", "has active endpoints", "volume is in use", "has children", "dead or marked for removal"} {
		if strings.Contains(s, words) {
			return true
		}
	}
	return false
}
