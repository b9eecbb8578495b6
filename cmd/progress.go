package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/bottle-run/bottle/runtime"
	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/sidecar"
)

// progress shows what a launch does. It is safe for concurrent use.
type progress struct {
	w    io.Writer
	mode string // "tty", "plain", "json" or "quiet"

	mu      sync.Mutex
	began   time.Time
	busy    []string // nodes under way
	total   int
	drawn   bool // a status line is on the terminal
	up      bool
	allowed map[string]int // by host
	denied  map[string]sidecar.Event
	counts  map[string]int // of denied, by the same key
}

func newProgress(w *os.File, mode string) (*progress, error) {
	if !slices.Contains([]string{"auto", "tty", "plain", "json", "quiet"}, mode) {
		return nil, usage{fmt.Errorf("--progress %q: want auto, tty, plain, json or quiet", mode)}
	}
	if mode == "auto" {
		mode = "plain"
		if term.IsTerminal(int(w.Fd())) && os.Getenv("TERM") != "dumb" {
			mode = "tty"
		}
	}
	return &progress{w: w, mode: mode, began: time.Now(), allowed: map[string]int{}, denied: map[string]sidecar.Event{}, counts: map[string]int{}}, nil
}

// event shows a step.
func (p *progress) event(ev runtime.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := string(ev.Node.ID)
	switch p.mode {
	case "json":
		line := map[string]any{"node": id, "state": ev.State, "ms": ev.Took.Milliseconds()}
		if ev.Err != nil {
			line["error"] = ev.Err.Error()
		}
		p.json(line)
	case "plain":
		if ev.State == runtime.Done || ev.State == runtime.Failed || ev.State == runtime.Stuck {
			fmt.Fprintf(p.w, "%-8s %s (%d ms)\n", ev.State, id, ev.Took.Milliseconds())
		}
	case "tty":
		switch ev.State {
		case runtime.Started, runtime.Undoing:
			p.busy = append(p.busy, id)
		default:
			p.busy = slices.DeleteFunc(p.busy, func(s string) bool { return s == id })
			p.total++
		}
		if !p.up {
			p.draw(strings.Join(p.busy, " "))
		}
	}
}

func (p *progress) json(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain data
	}
	fmt.Fprintf(p.w, "%s\n", b)
}

// draw replaces the status line.
func (p *progress) draw(text string) {
	width, _ := size()
	line := fmt.Sprintf("%3d steps, %4.1f s  %s", p.total, time.Since(p.began).Seconds(), text)
	if r := []rune(line); len(r) >= int(width) {
		line = string(r[:width-1])
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", line)
	p.drawn = true
}

func (p *progress) clear() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.drawn = false
	}
}

// note shows what is known of a long step.
func (p *progress) note(n *plan.Node, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.mode {
	case "json":
		p.json(map[string]any{"node": n.ID, "state": "progress", "text": text})
	case "plain":
		fmt.Fprintf(p.w, "%-8s %s: %s\n", "...", n.ID, text)
	case "tty":
		if !p.up {
			p.draw(string(n.ID) + ": " + text)
		}
	}
}

// yield gives the terminal to the agent, which may write before everything is up.
func (p *progress) yield() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up = true
	p.clear()
}

// running says that everything is up; the terminal is the agent's now.
func (p *progress) running() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up = true
	p.clear()
	switch p.mode {
	case "json":
		p.json(map[string]any{"state": "running", "ms": time.Since(p.began).Milliseconds()})
	case "plain":
		fmt.Fprintf(p.w, "running after %d ms\n", time.Since(p.began).Milliseconds())
	}
}

func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

func (p *progress) warn(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	if p.mode == "json" {
		p.json(map[string]any{"state": "warning", "text": text})
		return
	}
	fmt.Fprintf(p.w, "bottle: %s\n", text)
}

// said shows a line of a service, or of a sidecar's complaints.
func (p *progress) said(n *plan.Node, line []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.mode {
	case "json":
		p.json(map[string]any{"node": n.ID, "state": "said", "text": string(line)})
	case "plain":
		fmt.Fprintf(p.w, "%s | %s\n", n.ID.Name(), line)
	}
}

// audit counts a decision for the summary. It reports whether line is one.
func (p *progress) audit(n *plan.Node, line []byte) bool {
	var ev sidecar.Event
	if json.Unmarshal(line, &ev) != nil || ev.Kind != sidecar.KindRequest && ev.Kind != sidecar.KindDNS && ev.Kind != sidecar.KindPush {
		return false
	}
	if ev.Kind == sidecar.KindPush {
		return true // its request counts
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if ev.Decision == sidecar.Deny {
		key := ev.Host + " " + ev.Reason
		p.denied[key] = ev
		p.counts[key]++
	} else if strings.HasSuffix(n.ID.Name(), "pipelock") {
		p.allowed[ev.Client+" "+ev.Host]++
	}
	return true
}

// summary says what got out and what was refused.
func (p *progress) summary(audit string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mode == "quiet" || p.mode == "json" || len(p.allowed)+len(p.denied) == 0 {
		return
	}
	for _, k := range slices.Sorted(maps.Keys(p.allowed)) {
		client, host, _ := strings.Cut(k, " ")
		fmt.Fprintf(p.w, "got out   %4d x %s (%s)\n", p.allowed[k], host, client)
	}
	for _, k := range slices.Sorted(maps.Keys(p.counts)) {
		ev := p.denied[k]
		fmt.Fprintf(p.w, "refused   %4d x %s %s: %s\n", p.counts[k], ev.Method, ev.Host, ev.Reason)
	}
	fmt.Fprintf(p.w, "audit     %s\n", audit)
}
