package docker

import (
	"context"
	"fmt"

	"github.com/docker/docker/api/types/volume"

	"github.com/bottle-run/bottle/runtime/plan"
)

// keepPrefix is how the volumes are called that launches share.
const keepPrefix = "bottle-keep-"

func (e *Engine) createVolume(ctx context.Context, n *plan.Node, op plan.Volume) error {
	labels := e.labels(n)
	name := e.name(n.ID)
	if op.Keep != "" {
		// It belongs to no launch, so no launch's label may be on it.
		labels, name = map[string]string{LabelKeep: op.Keep}, keepPrefix+op.Keep
	}
	e.mu.Lock()
	e.named[n.ID] = name // by node: what it is called on the engine
	e.mu.Unlock()
	// The engine answers with the volume of that name that there is, whoever made it.
	made, err := e.c.api.VolumeCreate(ctx, volume.CreateOptions{Name: name, Labels: labels})
	if err != nil {
		return err
	}
	for k, v := range labels {
		if made.Labels[k] != v {
			return fmt.Errorf("the engine has a volume %s that is not bottle's; look at it (`docker volume inspect %s`), then rename or remove it", name, name)
		}
	}
	return nil
}

func (e *Engine) volumeName(id plan.ID) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.named[id]
}
