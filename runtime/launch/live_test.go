package launch_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bottle-run/bottle/runtime"
	"github.com/bottle-run/bottle/runtime/launch"
	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/runtime/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A memory is an engine without containers: the agent runs until end is closed,
// and what sidecars are sent is kept.
type memory struct {
	end   chan struct{}
	died  chan launch.Death
	stale chan runtime.Stale
	// answer is what a sidecar says to a message; nil is that it is in force.
	answer func(ctx context.Context, to plan.ID, values map[string][]byte) error

	mu   sync.Mutex
	sent []message
}

type message struct {
	to     plan.ID
	values map[string]string
}

func newMemory() *memory {
	return &memory{end: make(chan struct{}), died: make(chan launch.Death), stale: make(chan runtime.Stale, 16)}
}

func (m *memory) Do(context.Context, *plan.Node) error             { return nil }
func (m *memory) Undo(context.Context, *plan.Node) error           { return nil }
func (m *memory) Signal(context.Context, plan.ID, string) error    { return nil }
func (m *memory) Died() <-chan launch.Death                        { return m.died }
func (m *memory) Stale() <-chan runtime.Stale                      { return m.stale }
func (m *memory) Wait(ctx context.Context, _ plan.ID) (int, error) { return 0, m.wait(ctx) }

func (m *memory) wait(ctx context.Context) error {
	select {
	case <-m.end:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *memory) Send(ctx context.Context, to plan.ID, values map[string][]byte) error {
	if m.answer != nil {
		if err := m.answer(ctx, to, values); err != nil {
			return err
		}
	}
	text := map[string]string{}
	for k, v := range values {
		text[k] = string(v)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent = append(m.sent, message{to, text})
	return nil
}

func (m *memory) messages() []message {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.sent)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not after 20 s: %s", what)
		}
	}
}

func file(path string) plan.Secret { return plan.Secret{Kind: plan.SecretFile, Args: []string{path}} }

// sidecarOf returns a sidecar that holds refs.
func sidecarOf(config string, refs ...plan.Secret) plan.Container {
	c := plan.Container{Role: plan.Sidecar, Stdin: []plan.Input{{Name: "config", Source: plan.Literal(config)}}}
	for _, r := range refs {
		c.Stdin = append(c.Stdin, plan.Input{Name: r.String(), Source: r})
	}
	return c
}

func planOf(t *testing.T, containers map[plan.ID]plan.Container) *plan.Plan {
	t.Helper()
	p := new(plan.Plan)
	if containers["container:agent"].Role == "" {
		containers["container:agent"] = plan.Container{Role: plan.Agent}
	}
	for _, id := range []plan.ID{"container:pipelock", "container:cred-proxy", "container:other-cred-proxy", "container:agent"} {
		if c, ok := containers[id]; ok {
			if err := p.Add(&plan.Node{ID: id, Op: c, Pos: plan.Pos{File: "launch.star", Line: 1, Col: 1}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return p
}

func put(t *testing.T, path, value string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(value), 0o600); err != nil {
		t.Fatal(err)
	}
}

type noMaker struct{}

func (noMaker) NewCA(string) (cert, key []byte, err error) { return nil, nil, errors.New("no CA") }
func (noMaker) Bundle([]byte) []byte                       { return nil }

// A secret that an upstream refuses is fetched again and goes to every sidecar that
// holds it, and to no other.
func TestStaleSecretGoesToAllItsHolders(t *testing.T) {
	dir := t.TempDir()
	key, other := filepath.Join(dir, "key"), filepath.Join(dir, "other")
	put(t, key, "one")
	put(t, other, "other")
	p := planOf(t, map[plan.ID]plan.Container{
		"container:pipelock":         sidecarOf("{}"),
		"container:cred-proxy":       sidecarOf("{}", file(key), file(other)),
		"container:other-cred-proxy": sidecarOf("{}", file(key)),
	})
	l, err := launch.Prepare(t.Context(), p, &secret.Resolver{}, noMaker{})
	if err != nil {
		t.Fatal(err)
	}
	e := newMemory()
	done := make(chan error, 1)
	go func() { _, err := l.Run(t.Context(), e); done <- err }()
	put(t, key, "two")
	e.stale <- runtime.Stale{Node: p.Node("container:other-cred-proxy"), Slot: "no such slot"}
	e.stale <- runtime.Stale{Node: p.Node("container:other-cred-proxy"), Slot: file(key).String()}
	eventually(t, "two messages", func() bool { return len(e.messages()) >= 2 })
	close(e.end)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	sent := e.messages()
	if len(sent) != 2 {
		t.Fatalf("sent %v", sent)
	}
	for i, to := range []plan.ID{"container:cred-proxy", "container:other-cred-proxy"} {
		if sent[i].to != to || len(sent[i].values) != 1 || sent[i].values[file(key).String()] != "two" {
			t.Errorf("sent %v", sent[i])
		}
	}
}
