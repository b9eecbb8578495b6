package docker_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/runtime"
	"github.com/bottle-run/bottle/runtime/docker"
	"github.com/bottle-run/bottle/runtime/plan"
)

// material is what the tests' plans may hold: literals, and one token.
func material(_ context.Context, s plan.Source) ([]byte, error) {
	switch s := s.(type) {
	case plan.Literal:
		return s, nil
	case plan.Generated:
		return []byte("0123abcd"), nil
	case plan.Secret:
	}
	return nil, fmt.Errorf("no %v here", s)
}

// TestTicket: the container gets its token wherever its cred-proxy's URL or the
// placeholder stands, behind git's settings of the image.
func TestTicket(t *testing.T) {
	b := newBench(t)
	op := plan.Container{
		Env: map[string]string{
			"URL": "http://cred-proxy:9099/a/v1", "BARE": "http://cred-proxy:9099", "SECURE": "https://cred-proxy/g https://cred-proxy.evil/", "OTHER": "http://cred-proxy:90990/", "KEY": "holder",
			"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_VALUE_0": "me",
		},
		Git:    []plan.Setting{{Key: "url.http://cred-proxy:9099/g/.insteadOf", Value: "https://g.com/"}, {Key: "a.b", Value: "c"}},
		Ticket: &plan.Ticket{Bases: []string{"//cred-proxy:9099", "https://cred-proxy"}, Placeholder: "holder", Token: plan.Generated{Kind: plan.Token, Name: "agent:x"}},
		Files:  []plan.File{{Path: "/f", Mode: 0o644, Source: plan.Literal("holder http://cred-proxy:9099/x\n")}},
	}
	p := new(plan.Plan)
	add(t, p, "image:probe", plan.ImageRootfs{Tar: b.tar})
	op.Role, op.Image, op.Command = plan.Agent, "image:probe", []string{"/probe", "http://cred-proxy:9099/"}
	add(t, p, "container:agent", op, "image:probe")
	e := b.c.Launch(docker.Launch{Name: b.name, Owner: "test", Material: material})
	s, err := (&runtime.Executor{Engine: e}).Up(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Down(context.WithoutCancel(t.Context())) }()
	got, err := b.api.ContainerInspect(t.Context(), "bottle-"+b.name+"-agent")
	if err != nil {
		t.Fatal(err)
	}
	env := strings.Join(got.Config.Env, "\n") + "\n"
	for _, want := range []string{
		"URL=http://cred-proxy:9099/~0123abcd/a/v1", "BARE=http://cred-proxy:9099/~0123abcd", "SECURE=https://cred-proxy/~0123abcd/g https://cred-proxy.evil/", "OTHER=http://cred-proxy:90990/", "KEY=0123abcd",
		"GIT_CONFIG_COUNT=3", "GIT_CONFIG_KEY_0=user.name", "GIT_CONFIG_KEY_1=url.http://cred-proxy:9099/~0123abcd/g/.insteadOf", "GIT_CONFIG_VALUE_1=https://g.com/", "GIT_CONFIG_KEY_2=a.b",
	} {
		if !strings.Contains(env, want+"\n") {
			t.Errorf("no %q in\n%s", want, env)
		}
	}
	if want := "http://cred-proxy:9099/~0123abcd/"; got.Config.Cmd[1] != want {
		t.Errorf("the command has %q, want %q", got.Config.Cmd[1], want)
	}
	tree, err := b.read(t, "/f")
	if want := "0644 0:0 0123abcd http://cred-proxy:9099/~0123abcd/x\n"; err != nil || tree["/f"] != want {
		t.Errorf("the file is %q, %v; want %q", tree["/f"], err, want)
	}
	if op.Env["KEY"] != "holder" {
		t.Error("the plan has changed")
	}
}

// TestGitSettingsOfNoNumber: a count that git would not read is not counted on.
func TestGitSettingsOfNoNumber(t *testing.T) {
	b := newBench(t)
	_, err := b.tree(t, plan.Container{Env: map[string]string{"GIT_CONFIG_COUNT": "many"}, Git: []plan.Setting{{Key: "a.b", Value: "c"}}})
	if err == nil || !strings.Contains(err.Error(), `GIT_CONFIG_COUNT is "many"`) {
		t.Errorf("got %v", err)
	}
}
