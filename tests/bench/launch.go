package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const (
	demo   = "examples/hello.star"
	work   = "-work"                     // what the agent is told: one request, no more
	secret = "acme-key-of-the-benchmark" //nolint:gosec // nobody else takes it for one
)

// A sample is one launch.
type sample struct {
	ready, launch, teardown, total, cpu time.Duration
	rss                                 int64
}

// A side launches the demo once.
type side struct {
	title string
	label string // of its objects
	run   func(ctx context.Context, name string) (usage, error)
}

func benchLaunch(ctx context.Context, o options) error {
	e := newEngine()
	if err := e.follow(ctx); err != nil {
		return err
	}
	version, err := e.version(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bottle-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ours := side{"bottle", "bottle.launch", func(ctx context.Context, name string) (usage, error) { return runBottle(ctx, o, dir, name) }}
	theirs := side{"Compose", "com.docker.compose.project", func(ctx context.Context, name string) (usage, error) { return runCompose(ctx, o, dir, name) }}
	name := fmt.Sprintf("bench-%d", os.Getpid())

	// Once each, so that every image is there. What bottle ran, Compose gets.
	if _, err := measure(ctx, e, ours, name); err != nil {
		return err
	}
	images := map[string]string{}
	for _, ev := range e.seen(ours.label, name) {
		images[ev.Actor.Attributes["bottle.node"]] = ev.Actor.Attributes["image"]
	}
	if err := prepareCompose(ctx, o, dir, images); err != nil {
		return err
	}
	if _, err := measure(ctx, e, theirs, name); err != nil {
		return err
	}
	var a, b []sample
	for i := range o.runs {
		x, err := measure(ctx, e, ours, fmt.Sprintf("%s-%d", name, i))
		if err != nil {
			return err
		}
		y, err := measure(ctx, e, theirs, fmt.Sprintf("%s-%d", name, i))
		if err != nil {
			return err
		}
		a, b = append(a, x), append(b, y)
	}
	printLaunch(a, b, machine("engine "+version))
	return nil
}

func prepareCompose(ctx context.Context, o options, dir string, images map[string]string) error {
	l, err := planOf(ctx, o.root)
	if err != nil {
		return err
	}
	m, err := newMaterial(o.root)
	if err != nil {
		return err
	}
	feed, err := filepath.Abs(o.feed)
	if err != nil {
		return err
	}
	return writeCompose(dir, l, m, images, feed)
}

// measure launches the demo once and makes sure that nothing is left of it.
func measure(ctx context.Context, e *engine, s side, name string) (sample, error) {
	start := time.Now()
	u, err := s.run(ctx, name)
	end := time.Now()
	left, leftErr := e.left(context.WithoutCancel(ctx), s.label, name)
	switch {
	case err != nil:
		return sample{}, fmt.Errorf("%s: %w", s.title, err)
	case leftErr != nil:
		return sample{}, fmt.Errorf("%s: what is left: %w", s.title, leftErr)
	case left > 0:
		return sample{}, fmt.Errorf("%s left %d objects on the engine", s.title, left)
	}
	t, err := timeline(e.seen(s.label, name))
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w", s.title, err)
	}
	if u.first.Before(t.others) {
		return sample{}, fmt.Errorf("%s: the agent spoke before all else was ready", s.title)
	}
	launch, teardown := u.first.Sub(start), end.Sub(t.over)
	return sample{t.last.Sub(start), launch, teardown, launch + teardown, u.cpu, u.rss}, nil
}

// times are what the engine said of a launch.
type times struct {
	others time.Time // when the last but the agent had started and, if it has a health check, passed it
	last   time.Time // when the agent had started
	over   time.Time // when the agent had ended
}

func timeline(events []event) (times, error) {
	var t times
	started := 0
	healthy := map[string]bool{}
	for _, ev := range events {
		switch {
		case ev.Action == "start" && isAgent(ev):
			started, t.last = started+1, ev.time()
		case ev.Action == "start":
			started, t.others = started+1, ev.time()
		case ev.Action == "health_status: healthy":
			healthy[ev.Actor.Attributes["name"]], t.others = true, ev.time()
		case ev.Action == "die" && isAgent(ev):
			t.over = ev.time()
		}
	}
	if started != 5 || t.over.IsZero() || len(healthy)%2 != 0 {
		return t, fmt.Errorf("%d containers started, %d were healthy", started, len(healthy))
	}
	return t, nil
}

func isAgent(ev event) bool {
	attrs := ev.Actor.Attributes
	return attrs["bottle.node"] == "container:agent" || attrs["com.docker.compose.service"] == "agent"
}

// environment is that of both clients.
func environment(dir string) []string {
	return append(os.Environ(), "ACME_API_KEY="+secret, "XDG_STATE_HOME="+dir)
}

func runBottle(ctx context.Context, o options, dir, name string) (usage, error) {
	c := exec.CommandContext(ctx, filepath.Join(o.root, "bin/bottle"), "run", filepath.Join(o.root, demo), "--yes", "--progress", "plain", "--name", name, "--", work) //nolint:gosec // the repository's own
	c.Env = environment(dir)
	return client(ctx, c, hello)
}

func runCompose(ctx context.Context, o options, dir, name string) (usage, error) {
	compose := func(ctx context.Context, mark string, args ...string) (usage, error) {
		c := exec.CommandContext(ctx, o.compose, append([]string{"--progress", "plain", "-p", name, "-f", filepath.Join(dir, "compose.json")}, args...)...) //nolint:gosec // built by make bench
		c.Env = environment(dir)
		return client(ctx, c, mark)
	}
	up, err := compose(ctx, hello, "run", "--rm", "-T", "agent")
	down, downErr := compose(context.WithoutCancel(ctx), "", "down", "-t", "0")
	if err == nil {
		err = downErr
	}
	return usage{up.cpu + down.cpu, max(up.rss, down.rss), up.first}, err
}

func printLaunch(a, b []sample, where string) {
	fmt.Printf("\n## A launch of the demo: bottle and Docker Compose v2.40.3\n\n")
	fmt.Printf("%s; %d launches of each side, in turn; medians\n`%s`\n\n", where, len(a), command("launch"))
	fmt.Println("| | bottle | Compose | bottle / Compose | target |")
	fmt.Println("|---|---:|---:|---:|---|")
	row := func(what, target string, of func(sample) float64, format string) {
		x, y := median(a, of), median(b, of)
		fmt.Printf("| %s | "+format+" | "+format+" | %.2f | %s |\n", what, x, y, x/y, target)
	}
	ms := func(f func(sample) time.Duration) func(sample) float64 {
		return func(s sample) float64 { return float64(f(s).Microseconds()) / 1e3 }
	}
	row("ready", "", ms(func(s sample) time.Duration { return s.ready }), "%.0f ms")
	row("launch", "0.67", ms(func(s sample) time.Duration { return s.launch }), "%.0f ms")
	row("teardown", "0.67", ms(func(s sample) time.Duration { return s.teardown }), "%.0f ms")
	row("launch and teardown", "0.67", ms(func(s sample) time.Duration { return s.total }), "%.0f ms")
	row("CPU of the client", "0.20", ms(func(s sample) time.Duration { return s.cpu }), "%.0f ms")
	row("peak RSS of the client", "", func(s sample) float64 { return float64(s.rss) / (1 << 20) }, "%.1f MiB")
}
