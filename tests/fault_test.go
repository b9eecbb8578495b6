package tests_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bottle-run/bottle/tests/faultproxy"
)

// A node is what a test must know of a node of a plan.
type node struct {
	ID   string
	Op   string
	With struct{ Tar string }
	Pos  struct {
		File      string
		Line, Col int
	}
}

func (n node) kind() string { kind, _, _ := strings.Cut(n.ID, ":"); return kind }
func (n node) name() string { _, name, _ := strings.Cut(n.ID, ":"); return name }

// blame is how an error of the node begins.
func (n node) blame() string {
	return fmt.Sprintf("bottle: %s:%d:%d: %s: ", n.Pos.File, n.Pos.Line, n.Pos.Col, n.ID)
}

// demoNodes are the nodes of the demo's plan, as `bottle plan` tells them.
func demoNodes(t *testing.T) []node {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "../bin/bottle", "plan", "--json", "../examples/hello.star").Output()
	if err != nil {
		t.Fatal(err)
	}
	var p struct{ Nodes []node }
	if err := json.Unmarshal(out, &p); err != nil || len(p.Nodes) < 10 {
		t.Fatalf("%d nodes, %v", len(p.Nodes), err)
	}
	return p.Nodes
}

// does recognises the call of the engine that does a node's work, in a launch.
func (n node) does(t *testing.T, launch string) func(faultproxy.Call) bool {
	t.Helper()
	object := "bottle-" + launch + "-" + n.name()
	switch n.kind() {
	case "network":
		return func(c faultproxy.Call) bool { return c.Path == "/networks/create" && c.Name == object }
	case "container":
		return func(c faultproxy.Call) bool { return c.Path == "/containers/create" && c.Name == object }
	case "start":
		return func(c faultproxy.Call) bool { return c.Path == "/containers/"+object+"/start" }
	case "image":
		ref := "/images/bottle-sidecar:"
		if n.With.Tar != "" {
			data, err := os.ReadFile(filepath.Join("../examples", n.With.Tar))
			if err != nil {
				t.Fatal(err)
			}
			ref = "/images/" + rootfsName(data)
		}
		return func(c faultproxy.Call) bool { return strings.HasPrefix(c.Path, ref) }
	}
	t.Fatalf("no call is known for %s", n.ID)
	return nil
}

// A fault is one node that is broken in one way.
type fault struct {
	node node
	mode faultproxy.Mode
	call string // a further call of the node's, by the end of its path; empty is its own
}

func (f fault) String() string {
	return strings.NewReplacer(":", "-", "/", "-").Replace(string(f.mode) + "-" + f.node.ID + f.call)
}

// TestFaultAtEveryNode breaks the work of each node of the demo, one at a time: the
// engine refuses it, does it without an answer, or does it when bottle, interrupted,
// has gone on to undo it. Whatever breaks, the error names the node, its place in
// the script and the engine's message, and nothing is left.
func TestFaultAtEveryNode(t *testing.T) {
	engine(t)
	var faults []fault
	further := map[string]string{
		"start:acme-api": "/attach", "start:acme-notes": "/wait", "start:pipelock": "/connect", "container:acme-api": "/archive",
	}
	late := map[string]bool{}
	for _, n := range demoNodes(t) {
		modes := []faultproxy.Mode{faultproxy.Fail, faultproxy.Drop}
		if isLong() || !late[n.kind()] { // in CI one of each kind is late
			modes, late[n.kind()] = append(modes, faultproxy.Late), true
		}
		for _, mode := range modes {
			faults = append(faults, fault{node: n, mode: mode})
			if call, ok := further[n.ID]; ok {
				faults = append(faults, fault{n, mode, call})
			}
		}
	}
	all(t, faults, fault.String, breakOne)
}

func breakOne(t *testing.T, f fault) {
	t.Helper()
	s := launch(t, t.Context(), nil, "--", "-quit")
	breaks := f.node.does(t, s.name)
	if object := "bottle-" + s.name + "-" + f.node.name(); f.call == "/connect" {
		breaks = func(c faultproxy.Call) bool { return strings.HasSuffix(c.Path, "/connect") } // only one node does
	} else if f.call != "" {
		breaks = func(c faultproxy.Call) bool { return c.Path == "/containers/"+object+f.call }
	}
	proxy, err := faultproxy.New(t.Context(), "/var/run/docker.sock", t.TempDir(), f.mode, breaks)
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Env = append(s.cmd.Env, "DOCKER_HOST="+proxy.Host)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if f.mode == faultproxy.Late {
		select {
		case <-proxy.First():
		case <-time.After(time.Minute):
		}
		_ = s.cmd.Process.Signal(syscall.SIGINT)
	}
	err = s.cmd.Wait()
	_ = proxy.Close()
	s.gone()
	said := s.err.String()
	switch {
	case len(proxy.Broken()) == 0:
		t.Errorf("the call was never made; there were %v", proxy.Calls())
	case err == nil:
		t.Errorf("it went unnoticed:\n%s", said)
	case f.mode == faultproxy.Late:
		if code := s.cmd.ProcessState.ExitCode(); code != 130 || !strings.Contains(said, "failed   "+f.node.ID) {
			t.Errorf("exit status %d, want 130 and to hear that %s was under way:\n%s", code, f.node.ID, said)
		}
	case !strings.Contains(said, f.node.blame()):
		t.Errorf("the error does not begin with %q:\n%s", f.node.blame(), said)
	case f.mode == faultproxy.Fail && !strings.Contains(said, faultproxy.Message):
		t.Errorf("the engine's message is missing:\n%s", said)
	}
}

// TestFaultOfRemovals: a removal that the engine refuses, or whose answer is lost,
// is tried again, so the launch succeeds and nothing is left.
func TestFaultOfRemovals(t *testing.T) {
	t.Parallel()
	engine(t)
	modes := []faultproxy.Mode{faultproxy.Fail, faultproxy.Drop}
	all(t, modes, func(m faultproxy.Mode) string { return string(m) }, func(t *testing.T, mode faultproxy.Mode) {
		t.Helper()
		var mu sync.Mutex
		seen := map[string]bool{}
		first := func(c faultproxy.Call) bool { // of each object
			mu.Lock()
			defer mu.Unlock()
			again := seen[c.Path]
			seen[c.Path] = seen[c.Path] || c.Method == http.MethodDelete
			return c.Method == http.MethodDelete && !again
		}
		proxy, err := faultproxy.New(t.Context(), "/var/run/docker.sock", t.TempDir(), mode, first)
		if err != nil {
			t.Fatal(err)
		}
		s := launch(t, t.Context(), []string{"DOCKER_HOST=" + proxy.Host}, "--", "-quit")
		err = s.cmd.Run()
		_ = proxy.Close()
		s.gone()
		if err != nil || len(proxy.Broken()) != 7 { // five containers, two networks
			t.Errorf("%v, broke %v:\n%s", err, proxy.Broken(), s.err.String())
		}
	})
}

// TestFaultAtEveryCall breaks every call of the demo that changes something, one at
// a time and in both ways, also those that TestFaultAtEveryNode does not name.
func TestFaultAtEveryCall(t *testing.T) {
	engine(t)
	long(t)
	for _, mode := range []faultproxy.Mode{faultproxy.Fail, faultproxy.Drop} {
		nth := make([]int, 30)
		for i := range nth {
			nth[i] = i + 1
		}
		all(t, nth, func(n int) string { return fmt.Sprint(mode, "-", n) }, func(t *testing.T, n int) {
			t.Helper()
			proxy, err := faultproxy.New(t.Context(), "/var/run/docker.sock", t.TempDir(), mode, func(c faultproxy.Call) bool { return c.Nth == n })
			if err != nil {
				t.Fatal(err)
			}
			s := launch(t, t.Context(), []string{"DOCKER_HOST=" + proxy.Host}, "--", "-quit")
			err = s.cmd.Run()
			_ = proxy.Close()
			s.gone()
			broken := proxy.Broken()
			if len(broken) == 0 || broken[0].Method == http.MethodDelete {
				return // there were fewer, or it was tried again
			}
			if err == nil || !strings.Contains(s.err.String(), "bottle: hello.star:") {
				t.Errorf("%v: %v; the error names no place in the script:\n%s", broken, err, s.err.String())
			}
		})
	}
}
