package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// genuine returns the ID of the image called ref if it is the one that l and config
// make, and why it is not otherwise; both are empty when there is none. A name proves
// nothing: a tag, or an archive that was loaded, may have given it to another image.
// The ID is what containers are made of, so a tag that moves later moves nothing.
func (c *Client) genuine(ctx context.Context, ref, arch string, l layer, config ocispec.ImageConfig) (id, other string, err error) {
	found, err := c.api.ImageInspect(ctx, ref)
	if cerrdefs.IsNotFound(err) {
		return "", "", nil
	}
	if err != nil {
		return "", "", err
	}
	other, err = differs(found, arch, l, config)
	if err != nil || other != "" {
		return "", other, err
	}
	return found.ID, "", nil
}

// differs says in what an image is not the one that l and config make.
func differs(found image.InspectResponse, arch string, l layer, config ocispec.ImageConfig) (string, error) {
	if want := []string{"sha256:" + l.digest}; !slices.Equal(found.RootFS.Layers, want) {
		return fmt.Sprintf("its layers are %v", found.RootFS.Layers), nil
	}
	if found.Os != "linux" || found.Architecture != arch {
		return "it is for " + found.Os + "/" + found.Architecture, nil
	}
	if found.Config == nil {
		return "it has no configuration", nil
	}
	// In JSON what is empty and what is not there are the same, and what Docker has
	// beyond OCI (a health check, triggers) is there only if it is set.
	want, err := json.Marshal(config)
	if err != nil {
		return "", err
	}
	got, err := json.Marshal(found.Config)
	if err != nil || bytes.Equal(got, want) {
		return "", err
	}
	return fmt.Sprintf("its configuration is %s", got), nil
}
