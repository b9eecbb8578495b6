package launch_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/runtime"
	"github.com/bottle-run/bottle/runtime/journal"
	"github.com/bottle-run/bottle/runtime/launch"
	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/runtime/secret"
)

// A changing is a launch of a gate and a cred-proxy that runs on a memory.
type changing struct {
	*launch.Launch
	e        *memory
	old, key string
	done     chan error
}

func gateAndKeys(gate, keys string, refs ...plan.Secret) map[plan.ID]plan.Container {
	return map[plan.ID]plan.Container{
		"container:pipelock":   sidecarOf(gate),
		"container:cred-proxy": sidecarOf(keys, refs...),
	}
}

func change(t *testing.T) *changing {
	t.Helper()
	c := &changing{e: newMemory(), key: filepath.Join(t.TempDir(), "key"), done: make(chan error, 1)}
	put(t, c.key, "one")
	p := planOf(t, gateAndKeys(`{"g":1}`, `{"k":1}`, file(c.key)))
	c.old = p.Digest()
	var err error
	if c.Launch, err = launch.Prepare(t.Context(), p, &secret.Resolver{}, noMaker{}); err != nil {
		t.Fatal(err)
	}
	if c.Journal, err = journal.Open(t.TempDir(), "test"); err != nil {
		t.Fatal(err)
	}
	up := make(chan struct{})
	c.Running = func() { close(up) }
	go func() { _, err := c.Run(context.WithoutCancel(t.Context()), c.e); c.done <- err }()
	<-up
	eventually(t, "it can be changed", func() bool {
		err := c.Apply(t.Context(), launch.Change{})
		return err == nil || !strings.Contains(err.Error(), "not running")
	})
	t.Cleanup(func() {
		close(c.e.end)
		if err := <-c.done; err != nil {
			t.Error(err)
		}
		if err := c.Apply(context.Background(), launch.Change{From: c.old}); err == nil || !strings.Contains(err.Error(), "not running") {
			t.Errorf("after its end: %v", err)
		}
		_ = c.Journal.Close()
	})
	return c
}

// to is a change to another gate and cred-proxy, by way of an interim gate.
func (c *changing) to(t *testing.T, refs ...plan.Secret) launch.Change {
	t.Helper()
	b, err := planOf(t, gateAndKeys(`{"g":2}`, `{"k":2}`, refs...)).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return launch.Change{From: c.old, Plan: b, Steps: []launch.Step{
		{Container: "container:pipelock", Interim: []byte(`{"g":"interim"}`)},
		{Container: "container:cred-proxy"},
		{Container: "container:pipelock"},
	}}
}

func (c *changing) parcel(t *testing.T, refs ...plan.Secret) secret.Parcel {
	t.Helper()
	r := &secret.Resolver{}
	values, err := r.Resolve(t.Context(), refs)
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.Pack(t.Context(), values, refs)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// sent spells what sidecars were sent.
func (c *changing) sent() string {
	var b strings.Builder
	for _, m := range c.e.messages() {
		fmt.Fprintf(&b, "%s%s", m.to.Name(), m.values["config"])
		for name, v := range m.values {
			if name != "config" {
				b.WriteString("+" + v)
			}
		}
		b.WriteString(" ")
	}
	return strings.TrimSpace(b.String())
}

// A change is made step by step, with all the secrets of the new table; from then
// on its secrets are kept fresh, and the plan in the journal is the new one.
func TestApply(t *testing.T) {
	c := change(t)
	other := filepath.Join(t.TempDir(), "other")
	put(t, other, "two")
	ch := c.to(t, file(other))
	ch.Secrets = c.parcel(t, file(other))
	if err := c.Apply(t.Context(), ch); err != nil {
		t.Fatal(err)
	}
	want := `pipelock{"g":"interim"} cred-proxy{"k":2}+two pipelock{"g":2}`
	if got := c.sent(); got != want {
		t.Errorf("sent %s\nwant %s", got, want)
	}
	if b, err := journal.ReadPlan(c.Journal.Dir); err != nil || string(b) != string(ch.Plan) {
		t.Errorf("the journal's plan: %v", err)
	}
	node := c.Plan.Node("container:cred-proxy")
	put(t, other, "three")
	c.e.stale <- runtime.Stale{Node: node, Slot: file(c.key).String()} // of a secret that is no more
	c.e.stale <- runtime.Stale{Node: node, Slot: file(other).String()}
	eventually(t, "the new secret is fetched again", func() bool { return len(c.e.messages()) > 3 })
	if got := c.sent(); got != want+" cred-proxy+three" {
		t.Errorf("sent %s", got)
	}
	if err := c.Apply(t.Context(), ch); err == nil || !strings.Contains(err.Error(), "changed meanwhile") {
		t.Errorf("the same change again: %v", err)
	}
}

// A sidecar that rejects its step leaves everything as it was: what was changed
// before goes back, the last one first.
func TestApplyGoesBack(t *testing.T) {
	for _, c := range []struct {
		failing, want, say string
		err                error
	}{
		{`{"g":"interim"}`, ``, "pipelock: no\nnothing has changed", runtime.RejectedError{Reason: "no"}},
		{`{"k":2}`, `pipelock{"g":"interim"} pipelock{"g":1}`, "cred-proxy: no\nnothing has changed", runtime.RejectedError{Reason: "no"}},
		{`{"g":2}`, `pipelock{"g":"interim"} cred-proxy{"k":2}+one cred-proxy{"k":1}+one pipelock{"g":1}`, "pipelock: no", runtime.RejectedError{Reason: "no"}},
		// Nobody knows whether it is in force: it goes back too.
		{`{"k":2}`, `pipelock{"g":"interim"} cred-proxy{"k":1}+one pipelock{"g":1}`, "cred-proxy: silence", errors.New("silence")},
	} {
		l := change(t)
		l.e.answer = func(_ context.Context, _ plan.ID, values map[string][]byte) error {
			if string(values["config"]) == c.failing {
				return c.err
			}
			return nil
		}
		ch := l.to(t, file(l.key))
		if err := l.Apply(t.Context(), ch); err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v", c.failing, err)
		}
		if got := l.sent(); got != c.want {
			t.Errorf("%s: sent %s\nwant %s", c.failing, got, c.want)
		}
		l.e.answer = nil
		if err := l.Apply(t.Context(), ch); err != nil {
			t.Errorf("%s: the change afterwards: %v", c.failing, err)
		}
	}
}

// What cannot change, what has no value and what leads nowhere is refused before a
// sidecar hears of it.
func TestApplyRefuses(t *testing.T) {
	c := change(t)
	good := c.to(t, file(c.key))
	for want, edit := range map[string]func(*launch.Change){
		"changed meanwhile":               func(ch *launch.Change) { ch.From = "sha256:1" },
		"no step puts the new":            func(ch *launch.Change) { ch.Steps = ch.Steps[:2] },
		"a step is about container:agent": func(ch *launch.Change) { ch.Steps[0].Container = "container:agent" },
		"reading a plan":                  func(ch *launch.Change) { ch.Plan = []byte("{}") },
		`secret.file("/x") has no value`:  func(ch *launch.Change) { ch.Plan = c.to(t, file("/x")).Plan },
		"container:agent: role":           func(ch *launch.Change) { ch.Plan = otherAgent(t, c.key) },
		"holds a control character": func(ch *launch.Change) {
			*ch = c.to(t, file("/x"))
			ch.Secrets.Values = map[string]secret.Item{file("/x").String(): {Value: []byte("a\nb")}}
		},
	} {
		ch := good
		ch.Steps = append([]launch.Step{}, good.Steps...)
		edit(&ch)
		if err := c.Apply(t.Context(), ch); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	if got := c.sent(); got != "" {
		t.Errorf("sent %s", got)
	}
}

func otherAgent(t *testing.T, key string) []byte {
	t.Helper()
	containers := gateAndKeys(`{"g":2}`, `{"k":2}`, file(key))
	containers["container:agent"] = plan.Container{Role: plan.Service}
	b, err := planOf(t, containers).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return b
}
