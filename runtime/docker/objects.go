package docker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/hashicorp/go-multierror"
	"golang.org/x/sync/errgroup"
)

// An Object is something on the engine that bottle made.
type Object struct {
	Kind   string            `json:"kind"` // "container", "network", "volume", "image"
	ID     string            `json:"id"`
	Name   string            `json:"name"`
	State  string            `json:"state,omitempty"` // of a container
	Labels map[string]string `json:"labels"`
}

// Objects returns the containers, networks and volumes of a launch, of every
// launch if the name is empty, in the order in which they can be removed.
func (c *Client) Objects(ctx context.Context, launch string) ([]Object, error) {
	label := LabelLaunch
	if launch != "" {
		label += "=" + launch
	}
	by := filters.NewArgs(filters.Arg("label", label))
	var found [3][]Object
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		list, err := c.api.ContainerList(ctx, container.ListOptions{All: true, Filters: by})
		for _, o := range list {
			name := strings.TrimPrefix(strings.Join(o.Names, ","), "/")
			found[0] = append(found[0], Object{"container", o.ID, name, o.State, o.Labels})
		}
		return err
	})
	g.Go(func() error {
		list, err := c.api.NetworkList(ctx, network.ListOptions{Filters: by})
		for _, o := range list {
			found[1] = append(found[1], Object{"network", o.ID, o.Name, "", o.Labels})
		}
		return err
	})
	g.Go(func() error {
		list, err := c.api.VolumeList(ctx, volume.ListOptions{Filters: by})
		for _, o := range list.Volumes {
			found[2] = append(found[2], Object{"volume", o.Name, o.Name, "", o.Labels})
		}
		return err
	})
	err := g.Wait()
	return slices.Concat(found[:]...), err
}

// Images returns the images that bottle made and keeps between launches.
func (c *Client) Images(ctx context.Context) ([]Object, error) {
	list, err := c.api.ImageList(ctx, image.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", LabelImage))})
	var found []Object
	for _, o := range list {
		found = append(found, Object{"image", o.ID, strings.Join(o.RepoTags, ","), "", o.Labels})
	}
	return found, err
}

// Remove removes objects: containers first, then the rest. It goes on past
// errors and returns all of them. What is not there counts as removed.
func (c *Client) Remove(ctx context.Context, objects []Object) error {
	var errs *multierror.Error
	for _, wave := range [][]string{{"container"}, {"network", "volume", "image"}} {
		results := make([]error, len(objects))
		var g errgroup.Group
		g.SetLimit(16)
		for i, o := range objects {
			if slices.Contains(wave, o.Kind) {
				g.Go(func() error { results[i] = c.removeObject(ctx, o); return nil })
			}
		}
		_ = g.Wait() // the errors are in results
		for _, err := range results {
			if err != nil {
				errs = multierror.Append(errs, err)
			}
		}
	}
	return errs.ErrorOrNil()
}

func (c *Client) removeObject(ctx context.Context, o Object) error {
	for wait := 50 * time.Millisecond; ; wait *= 2 {
		err := c.removeOnce(ctx, o)
		if err == nil || cerrdefs.IsNotFound(err) {
			return nil
		}
		if !passing(err) || wait > 3*time.Second {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		case <-time.After(wait):
		}
	}
}

func (c *Client) removeOnce(ctx context.Context, o Object) error {
	switch o.Kind {
	case "container":
		return containers{c}.remove(ctx, o.ID)
	case "network":
		return networks{c}.remove(ctx, o.ID)
	case "volume":
		return volumes{c}.remove(ctx, o.ID)
	case "image":
		_, err := c.api.ImageRemove(ctx, o.ID, image.RemoveOptions{Force: true, PruneChildren: true})
		return err
	}
	return nil
}
