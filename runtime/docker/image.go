package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/cli/cli/config"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/pkg/jsonmessage"

	"github.com/bottle-run/bottle/runtime/plan"
)

// image makes sure that the image of n is there and returns its reference.
func (e *Engine) image(ctx context.Context, n *plan.Node) (string, error) {
	switch op := n.Op.(type) {
	case plan.Image:
		return op.Ref, e.ensure(ctx, n, op)
	case plan.ImageBuild:
		return e.build(ctx, n, op)
	case plan.ImageRootfs:
		return e.rootfs(ctx, n, op)
	case plan.ImageSidecar:
		return e.sidecar(ctx, n)
	case plan.Network, plan.Volume, plan.Container, plan.Start:
	}
	return "", fmt.Errorf("%T makes no image", n.Op)
}

// has reports whether the engine has an image.
func (c *Client) has(ctx context.Context, ref string) (bool, error) {
	_, err := c.api.ImageInspect(ctx, ref)
	if cerrdefs.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// ensure finds the image, or pulls it as op says.
func (e *Engine) ensure(ctx context.Context, n *plan.Node, op plan.Image) error {
	if op.Pull != plan.PullAlways {
		found, err := e.c.has(ctx, op.Ref)
		if err != nil || found {
			return err
		}
		if op.Pull == plan.PullNever {
			return fmt.Errorf("the engine has no image %s, and pull = \"never\" forbids to ask for it", op.Ref)
		}
	}
	e.progress(n, "pulling %s", op.Ref)
	if err := e.pull(ctx, n, op.Ref); err != nil {
		return explainPull(op.Ref, err)
	}
	return nil
}

func (e *Engine) pull(ctx context.Context, n *plan.Node, ref string) error {
	auth, err := registryAuth(ref)
	if err != nil {
		return err
	}
	body, err := e.c.api.ImagePull(ctx, ref, image.PullOptions{RegistryAuth: auth})
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = e.follow(n, body)
	return err
}

// follow reads the engine's progress messages to their end, which is when the
// work is done, and returns the error among them, or the ID of the image that was
// built.
func (e *Engine) follow(n *plan.Node, body io.Reader) (id string, err error) {
	layers := map[string]*jsonmessage.JSONProgress{}
	for dec := json.NewDecoder(body); ; {
		var m jsonmessage.JSONMessage
		if err := dec.Decode(&m); errors.Is(err, io.EOF) {
			return id, nil
		} else if err != nil {
			return "", err
		}
		if m.Error != nil {
			return "", m.Error
		}
		var built struct{ ID string }
		if m.Aux != nil && json.Unmarshal(*m.Aux, &built) == nil && built.ID != "" {
			id = built.ID
		}
		if m.Progress != nil && m.ID != "" && m.Progress.Total > 0 && m.Status == "Downloading" {
			layers[m.ID] = m.Progress
			e.progress(n, "downloading %s", sum(layers))
		} else if line := strings.TrimSpace(m.Stream); line != "" {
			e.progress(n, "%s", line)
		}
	}
}

func sum(layers map[string]*jsonmessage.JSONProgress) string {
	var now, total int64
	for _, l := range layers {
		now, total = now+l.Current, total+l.Total
	}
	return fmt.Sprintf("%d of %d MB", now/1e6, total/1e6)
}

// dockerHub is the key under which `docker login` files its credentials for
// Docker Hub (docker/cli, configfile.GetAuthConfig).
const dockerHub = "https://index.docker.io/v1/"

// registryAuth returns what `docker login` stored for the registry of ref, also
// in a credential helper, as the engine's API takes it.
func registryAuth(ref string) (string, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", fmt.Errorf("%q is not the name of an image: %w", ref, err)
	}
	host := reference.Domain(named)
	if host == "docker.io" {
		host = dockerHub
	}
	file, err := config.Load(config.Dir())
	if err != nil {
		return "", err
	}
	auth, err := file.GetAuthConfig(host)
	if err != nil {
		return "", fmt.Errorf("the credentials of %s: %w", host, err)
	}
	return registry.EncodeAuthConfig(registry.AuthConfig{
		Username: auth.Username, Password: auth.Password, Auth: auth.Auth, ServerAddress: auth.ServerAddress,
		IdentityToken: auth.IdentityToken, RegistryToken: auth.RegistryToken,
	})
}

func explainPull(ref string, err error) error {
	s := err.Error()
	cure := "check the name, or give an image that the engine has (`docker images`)"
	switch {
	case strings.Contains(s, "denied"), strings.Contains(s, "unauthorized"):
		cure = "if it is private, run `docker login` first; otherwise check the name"
	case strings.Contains(s, "dial tcp"), strings.Contains(s, "lookup"), strings.Contains(s, "timeout"), strings.Contains(s, "Client.Timeout"):
		cure = "the engine cannot reach the registry; an image that it has is used without asking"
	}
	return fmt.Errorf("the engine has no image %s and could not pull it: %w\n%s", ref, err, cure)
}
