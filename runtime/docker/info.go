package docker

import (
	"context"
	"strings"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/versions"
)

// Info is what `bottle doctor` says of an engine.
type Info struct {
	Host, Version, API, OS, Arch, Kernel string
	Storage, CgroupVersion               string
	Security                             []string
	Runtimes                             []string
	Networks                             int
	MemoryLimit, PIDsLimit               bool
	Rootless                             bool
	// Root is where the engine keeps its data, on its machine, and Local whether that
	// is this one. Docker Desktop's is a virtual one.
	Root  string
	Local bool
	// Isolation is the mechanism that keeps the host off a launch's network.
	Isolation string
	// Warnings are what the engine says of itself, and what its version means.
	Warnings []string
}

// Info asks the engine about itself.
func (c *Client) Info(ctx context.Context) (Info, error) {
	i, err := c.api.Info(ctx)
	if err != nil {
		return Info{}, err
	}
	nets, err := c.api.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return Info{}, err
	}
	out := Info{
		Host: c.Host, Version: i.ServerVersion, API: c.api.ClientVersion(), OS: i.OperatingSystem, Arch: i.Architecture,
		Kernel: i.KernelVersion, Storage: i.Driver, CgroupVersion: i.CgroupVersion, Security: i.SecurityOptions,
		Networks: len(nets), MemoryLimit: i.MemoryLimit, PIDsLimit: i.PidsLimit, Warnings: i.Warnings,
		Root: i.DockerRootDir, Local: strings.HasPrefix(c.Host, "unix://") && i.OperatingSystem != "Docker Desktop",
		Isolation: "gateway_mode isolated (engine 28 and later)",
	}
	for name := range i.Runtimes {
		out.Runtimes = append(out.Runtimes, name)
	}
	for _, s := range i.SecurityOptions {
		out.Rootless = out.Rootless || strings.Contains(s, "rootless")
	}
	if versions.LessThan(c.api.ClientVersion(), apiIsolated) {
		out.Isolation = "inhibit_ipv4 (engines before 28)"
	}
	if forwardsDNS(i.ServerVersion) {
		out.Warnings = append(out.Warnings, "this engine forwards lookups from internal networks (CVE-2024-29018): bottle gives every container a resolver that refuses; 23.0.11, 25.0.5 and 26.0.0 mend it")
	}
	return out, nil
}

// DiskUsage is how many bytes images, containers and volumes take, as `docker system
// df` counts them.
func (c *Client) DiskUsage(ctx context.Context) (int64, error) {
	u, err := c.api.DiskUsage(ctx, types.DiskUsageOptions{})
	total := u.LayersSize
	for _, o := range u.Containers {
		total += o.SizeRw
	}
	for _, o := range u.Volumes {
		if o.UsageData != nil && o.UsageData.Size > 0 { // -1 is unknown
			total += o.UsageData.Size
		}
	}
	return total, err
}

// forwardsDNS reports whether an engine's version has CVE-2024-29018, which
// 23.0.11, 25.0.5 and 26.0.0-rc3 fixed (GHSA-mq39-4gv4-mvpx).
func forwardsDNS(version string) bool {
	version, _, _ = strings.Cut(version, "+")
	switch {
	case strings.HasPrefix(version, "23."):
		return versions.LessThan(version, "23.0.11")
	case strings.HasPrefix(version, "25."):
		return versions.LessThan(version, "25.0.5")
	}
	return versions.LessThan(version, "26.0.0")
}
