package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-units"

	"github.com/bottle-run/bottle/runtime/plan"
)

// Remarks are what a user should know of the limits that agents reached, each with
// its place in the script. Those of an agent are complete when Wait has returned.
func (e *Engine) Remarks() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.remarks)
}

func (e *Engine) remark(n *plan.Node, text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.remarks = append(e.remarks, fmt.Sprintf("%s: %s %s", n.Place(), n.ID, text))
}

// watchLimits remarks on the limits that an agent reaches. What it begins ends with
// the agent's output, before the agent counts as ended.
func (e *Engine) watchLimits(ctx context.Context, p *process, c plan.Container) {
	reached := p.reached
	p.reached = func(ctx context.Context) string {
		text := reached(ctx)
		if text != "" {
			e.remark(p.node, text)
		}
		return text
	}
	if c.Limits.PIDs == 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p.counting.Go(func() { <-p.drained; cancel() })
	p.counting.Go(func() { e.countProcesses(ctx, p, c.Limits.PIDs) })
}

// memoryGone says that the kernel ended something in a container that has failed, for
// the memory that it took, if that is so.
func (e *Engine) memoryGone(ctx context.Context, name string, c plan.Container) string {
	found, err := e.c.api.ContainerInspect(ctx, name)
	if err != nil || found.ContainerJSONBase == nil || found.State == nil || !found.State.OOMKilled {
		return "" // what cannot be known is not said
	}
	return outOfMemory(c.Limits.Memory)
}

func outOfMemory(limit int64) string {
	if limit == 0 {
		return "was ended by the kernel: the engine's machine ran out of memory"
	}
	has := units.CustomSize("%.4g %s", float64(limit), 1024, []string{"B", "KiB", "MiB", "GiB", "TiB"})
	return fmt.Sprintf("ran out of its memory limit of %s; give it more with memory = %q", has, inUnits(2*limit))
}

// inUnits writes a size as a script does, rounded up to a mebibyte.
func inUnits(size int64) string {
	const m, g = 1 << 20, 1 << 30
	if size%g == 0 {
		return fmt.Sprintf("%dg", size/g)
	}
	return fmt.Sprintf("%dm", (size+m-1)/m)
}

// How often an agent's processes are counted: seldom once it has run for a while. The
// engine counts them when it is asked, and keeps no word of a process that could not
// be made; what reached its limit for less than that may go unseen. It is near when
// one part of near is left.
const (
	near       = 20
	firstCount = time.Second
	lastCount  = 10 * time.Second
)

// countProcesses remarks, once, that the container has all but as many processes and
// threads as it may. It ends with the container's output.
func (e *Engine) countProcesses(ctx context.Context, p *process, limit int64) {
	for wait := firstCount; ; wait = min(2*wait, lastCount) {
		select {
		case <-p.drained:
			return
		case <-time.After(wait):
		}
		n, err := e.processes(ctx, p.name)
		if err == nil && n >= limit-limit/near {
			e.remark(p.node, fmt.Sprintf("was seen with %d of the %d processes and threads that it may have; give it more with pids = %d", n, limit, 2*limit))
			return
		}
	}
}

func (e *Engine) processes(ctx context.Context, name string) (int64, error) {
	resp, err := e.c.api.ContainerStatsOneShot(ctx, name)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var s container.StatsResponse
	err = json.NewDecoder(resp.Body).Decode(&s)
	return int64(s.PidsStats.Current), err //nolint:gosec // a kernel has less than 1<<22
}
