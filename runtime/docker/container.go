package docker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-units"

	"github.com/bottle-run/bottle/runtime/plan"
)

// loopbackDNS is the resolver of a container that has none: nothing listens
// there, inside the container's own namespace, so the engine's resolver finds no
// answer for outside names and forwards nothing from the host's.
const loopbackDNS = "127.0.0.1"

func (e *Engine) createContainer(ctx context.Context, n *plan.Node, op plan.Container) error {
	op, err := e.redeem(ctx, op)
	if err != nil {
		return err
	}
	found, err := e.inspectImage(ctx, op)
	if err != nil {
		return err
	}
	if names := overridden(op, imageEnv(found)); len(names) > 0 {
		e.progress(n, "the image sets %s too; the launch's value holds", strings.Join(names, ", "))
	}
	config, err := e.config(n, op, found)
	if err != nil {
		return err
	}
	host, err := e.hostConfig(op)
	if err != nil {
		return err
	}
	var nets *network.NetworkingConfig
	if len(op.Networks) > 0 {
		// The first network may still be in the making: the engine looks it up
		// when the container starts.
		first := e.name(op.Networks[0].Network)
		at, err := e.endpoint(op.Networks[0])
		if err != nil {
			return err
		}
		host.NetworkMode = container.NetworkMode(first)
		nets = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{first: at}}
	}
	made, err := e.c.api.ContainerCreate(ctx, config, host, nets, nil, e.name(n.ID))
	if cerrdefs.IsConflict(err) {
		return fmt.Errorf("%w\nit may be left from an earlier launch of the same name: bottle prune %s", err, e.l.Name)
	}
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.created[n.ID], e.ids[n.ID] = n, made.ID
	e.mu.Unlock()
	return e.copyFiles(ctx, n, op, found)
}

// inspectImage returns what the image of op says of itself, or nil when op does not
// depend on it.
func (e *Engine) inspectImage(ctx context.Context, op plan.Container) (*image.InspectResponse, error) {
	home := slices.ContainsFunc(op.Files, func(f plan.File) bool { return inHome(f.Path) })
	if len(op.Setup) == 0 && len(op.Git) == 0 && len(op.Wired) == 0 && !home {
		return nil, nil //nolint:nilnil // nothing is asked
	}
	found, err := e.c.api.ImageInspect(ctx, e.imageName(op.Image))
	return &found, err
}

func (e *Engine) imageName(id plan.ID) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.named[id]
}

func (e *Engine) config(n *plan.Node, op plan.Container, found *image.InspectResponse) (*container.Config, error) {
	env, err := variables(op, imageEnv(found))
	if err != nil {
		return nil, err
	}
	s := e.streams(n, op)
	feed := len(op.Stdin) > 0
	config := &container.Config{
		Image: e.imageName(op.Image), Entrypoint: op.Entrypoint, Cmd: op.Command, Env: environ(env),
		User: op.User, WorkingDir: op.Workdir, Labels: e.labels(n), Hostname: hostname(n.ID.Name()),
		Tty:       s.TTY,
		OpenStdin: feed || s.In != nil,
		// The end of our process ends the container's standard input.
		StdinOnce:   feed || s.In != nil,
		AttachStdin: feed || s.In != nil, AttachStdout: true, AttachStderr: true,
	}
	if len(op.Setup) == 0 {
		return config, nil
	}
	if found != nil && found.Config != nil {
		if config.Entrypoint == nil {
			config.Entrypoint = found.Config.Entrypoint
			if config.Cmd == nil {
				config.Cmd = found.Config.Cmd
			}
		}
	}
	script := strings.Join(op.Setup, "\n") + "\nexec \"$@\""
	config.Entrypoint = slices.Concat([]string{"/bin/sh", "-ec", script, "bottle-setup"}, config.Entrypoint)
	return config, nil
}

func (e *Engine) streams(n *plan.Node, op plan.Container) Streams {
	if op.Role != plan.Agent || e.l.Streams == nil {
		return Streams{}
	}
	return e.l.Streams(n)
}

func (e *Engine) hostConfig(op plan.Container) (*container.HostConfig, error) {
	yes := true
	host := &container.HostConfig{
		Init:           &yes,
		SecurityOpt:    []string{"no-new-privileges"},
		ReadonlyRootfs: op.ReadOnly,
		Runtime:        op.Runtime,
		IpcMode:        "private",
		DNS:            []string{loopbackDNS},
		DNSSearch:      []string{"."}, // the host's search domains are nobody's business
		ExtraHosts:     extraHosts(op.Hosts),
		Resources: container.Resources{
			NanoCPUs: op.Limits.MilliCPUs * 1e6,
			Memory:   op.Limits.Memory, MemorySwap: op.Limits.Memory,
			// A core dump holds what the memory held.
			Ulimits: []*units.Ulimit{{Name: "core"}},
		},
	}
	if op.Limits.PIDs > 0 {
		host.PidsLimit = &op.Limits.PIDs
	}
	if op.Role != plan.Service {
		// A service is a trusted image that may start as root, chown its data
		// and step down, as databases do. The others have no such need.
		host.CapDrop = []string{"ALL"}
	}
	// What a container writes goes to its launcher. A copy on the host's disk
	// would outlive both.
	host.LogConfig.Type = "none"
	if op.Role == plan.Sidecar {
		host.Init = nil // one static process; a second one only costs its start
	}
	if op.DNS == nil {
		// The engine's own resolver says nothing when nobody answers it, so the
		// wait is the client's.
		host.DNSOptions = []string{"timeout:1", "attempts:1"}
	}
	if op.OpenDNS {
		host.DNS, host.DNSSearch, host.DNSOptions = nil, nil, nil
	}
	if op.DNS != nil {
		addr, err := e.address(*op.DNS)
		if err != nil {
			return nil, err
		}
		host.DNS = []string{addr.String()}
	}
	var err error
	host.Mounts, err = e.mounts(op.Mounts)
	return host, err
}

// hostname is what the container calls itself; 63 bytes are what the kernel and
// DNS allow (RFC 1035, 2.3.4).
func hostname(name string) string {
	return name[:min(len(name), 63)]
}

func environ(env map[string]string) []string {
	list := make([]string, 0, len(env))
	for k, v := range env {
		list = append(list, k+"="+v)
	}
	slices.Sort(list)
	return list
}

func extraHosts(hosts map[string]string) []string {
	list := make([]string, 0, len(hosts))
	for name, addr := range hosts {
		list = append(list, name+":"+addr)
	}
	slices.Sort(list)
	return list
}

func (e *Engine) mounts(ms []plan.Mount) ([]mount.Mount, error) {
	var out []mount.Mount
	for _, m := range ms {
		switch m.Kind {
		case plan.Bind:
			src, err := e.hostPath(m.Source)
			if err != nil {
				return nil, fmt.Errorf("mount of %s: %w", m.Source, err)
			}
			if err := e.refuseMount(src); err != nil {
				return nil, fmt.Errorf("mount of %s: %w", m.Source, err)
			}
			out = append(out, mount.Mount{
				Type: mount.TypeBind, Source: src, Target: m.Target, ReadOnly: m.ReadOnly,
				BindOptions: &mount.BindOptions{Propagation: mount.PropagationRPrivate},
			})
		case plan.Vol:
			out = append(out, mount.Mount{Type: mount.TypeVolume, Source: e.volumeName(m.Volume), Target: m.Target, ReadOnly: m.ReadOnly})
		case plan.Tmpfs:
			out = append(out, mount.Mount{Type: mount.TypeTmpfs, Target: m.Target, TmpfsOptions: &mount.TmpfsOptions{SizeBytes: m.Size}})
		default:
			return nil, fmt.Errorf("a mount of kind %q is not known", m.Kind)
		}
	}
	return out, nil
}
