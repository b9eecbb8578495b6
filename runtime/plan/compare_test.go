package plan_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/bottle-run/bottle/runtime/plan"
)

// small is a launch of a sidecar and an agent, changed by edit.
func small(t *testing.T, edit func(keys, agent *plan.Container, pos *plan.Pos)) []byte {
	t.Helper()
	keys := plan.Container{Role: plan.Sidecar, Image: "image:own", Stdin: []plan.Input{
		{Name: "config", Source: plan.Literal(`{"routes":[]}`)},
		{Name: "ca.pem", Source: plan.Generated{Kind: plan.CACert, Name: "default"}},
		{Name: `secret.env("A")`, Source: plan.Secret{Kind: plan.SecretEnv, Args: []string{"A"}}},
	}}
	agent := plan.Container{Role: plan.Agent, Image: "image:own", Env: map[string]string{"K": "v"}}
	pos := plan.Pos{File: "launch.star", Line: 1, Col: 1}
	edit(&keys, &agent, &pos)
	p := new(plan.Plan)
	for _, n := range []*plan.Node{
		{ID: "image:own", Op: plan.ImageSidecar{}, Pos: pos},
		{ID: "container:cred-proxy", Op: keys, Deps: []plan.ID{"image:own"}, Pos: pos},
		{ID: "container:agent", Op: agent, Deps: []plan.ID{"image:own"}, Pos: pos},
	} {
		if err := p.Add(n); err != nil {
			t.Fatal(err)
		}
	}
	b, err := p.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What distinguishes two plans is found in their JSON alone: what sidecars read,
// apart from everything else, and not where it stands.
func TestCompare(t *testing.T) {
	secret := plan.Secret{Kind: plan.SecretOAuth, Args: []string{"https://idp", "c", ""}, From: []plan.Secret{{Kind: plan.SecretFile, Args: []string{"rt"}}}}
	for name, c := range map[string]struct {
		edit   func(keys, agent *plan.Container, pos *plan.Pos)
		inputs bool
		other  string
	}{
		"nothing": {func(_, _ *plan.Container, _ *plan.Pos) {}, false, "[]"},
		"places":  {func(_, _ *plan.Container, pos *plan.Pos) { pos.Line = 7 }, false, "[]"},
		"config":  {func(k, _ *plan.Container, _ *plan.Pos) { k.Stdin[0].Source = plan.Literal(`{"routes":[1]}`) }, true, "[]"},
		"secret": {func(k, _ *plan.Container, _ *plan.Pos) {
			k.Stdin[2] = plan.Input{Name: secret.String(), Source: secret}
		}, true, "[]"},
		"no secret": {func(k, _ *plan.Container, _ *plan.Pos) { k.Stdin = k.Stdin[:2] }, true, "[]"},
		"a CA":      {func(k, _ *plan.Container, _ *plan.Pos) { k.Stdin = k.Stdin[:1] }, false, "[launch.star:1:1: container:cred-proxy: stdin]"},
		"opaque":    {func(k, _ *plan.Container, _ *plan.Pos) { k.Stdin[0].Source = plan.Literal("x") }, false, "[launch.star:1:1: container:cred-proxy: stdin]"},
		"a mount":   {func(k, _ *plan.Container, _ *plan.Pos) { k.ReadOnly = true; k.Stdin = nil }, false, "[launch.star:1:1: container:cred-proxy: read_only, stdin]"},
		"agent":     {func(_, a *plan.Container, _ *plan.Pos) { a.Env = nil; a.User = "1" }, false, "[launch.star:1:1: container:agent: env, user]"},
		"stdin of an agent": {func(_, a *plan.Container, _ *plan.Pos) {
			a.Stdin = []plan.Input{{Name: "x", Source: plan.Literal("{}")}}
		}, false, "[launch.star:1:1: container:agent: stdin]"},
	} {
		diff, err := plan.Compare(small(t, func(_, _ *plan.Container, _ *plan.Pos) {}), small(t, c.edit))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := fmt.Sprint(diff.Other); got != c.other || (len(diff.Inputs) > 0) != c.inputs {
			t.Errorf("%s: other %s, inputs of %d", name, got, len(diff.Inputs))
		}
		if name == "secret" {
			read := diff.Inputs["container:cred-proxy"]
			i := slices.IndexFunc(read, func(in plan.Input) bool { return in.Name == secret.String() })
			if s, ok := read[i].Source.(plan.Secret); !ok || s.String() != secret.String() {
				t.Errorf("the secret came back as %v", read[i])
			}
		}
	}
	if _, err := plan.Compare([]byte(`{"version":99}`), small(t, func(_, _ *plan.Container, _ *plan.Pos) {})); err == nil {
		t.Error("a plan of another version was compared")
	}
}

// Nodes that came and went are named.
func TestCompareNodes(t *testing.T) {
	one, two := new(plan.Plan), new(plan.Plan)
	for p, id := range map[*plan.Plan]plan.ID{one: "volume:a", two: "volume:b"} {
		if err := p.Add(&plan.Node{ID: id, Op: plan.Volume{}, Pos: plan.Pos{File: "l", Line: 1, Col: 1}}); err != nil {
			t.Fatal(err)
		}
	}
	a, _ := one.MarshalJSON()
	b, _ := two.MarshalJSON()
	diff, err := plan.Compare(a, b)
	if got := fmt.Sprint(diff.Other); err != nil || got != "[l:1:1: volume:b: is new l:1:1: volume:a: is gone]" {
		t.Errorf("got %s, %v", got, err)
	}
	if diff.From != one.Digest() || diff.To != two.Digest() {
		t.Errorf("from %s to %s", diff.From, diff.To)
	}
}
