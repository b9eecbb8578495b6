package launch_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/bottle-run/bottle/runtime"
	"github.com/bottle-run/bottle/runtime/journal"
	"github.com/bottle-run/bottle/runtime/launch"
	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/runtime/secret"
)

const canary = "canary-5d2e8a10"

// A launch with a secret from every kind of source, each refused by its upstream,
// fetched again, handed on and moved by a change, writes none of them to its
// directory and says none of them, also when sidecars and sources fail.
func TestNoValueIsWrittenOrSaid(t *testing.T) {
	endpoint := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":%q,"refresh_token":"%s-2","expires_in":3600}`, canary, canary)
	}))
	t.Cleanup(endpoint.Close)
	key := filepath.Join(t.TempDir(), "key")
	put(t, key, canary)
	env := plan.Secret{Kind: plan.SecretEnv, Args: []string{"K"}}
	refs := []plan.Secret{
		env, file(key),
		{Kind: plan.SecretCommand, Args: []string{"cat", key}},
		{Kind: plan.SecretPrompt, Args: []string{"key"}},
		{Kind: plan.SecretOAuth, Args: []string{endpoint.URL, "c", ""}, From: []plan.Secret{env}},
	}
	var mu sync.Mutex
	var said []string
	say := func(text string) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, text)
	}
	resolver := &secret.Resolver{
		LookupEnv: func(string) (string, bool) { return canary, true }, Client: endpoint.Client(), Warn: say,
		Ask: func(context.Context, string) ([]byte, error) { return []byte(canary), nil },
	}
	p := planOf(t, gateAndKeys(`{"g":1}`, `{"k":1}`, refs...))
	l, err := launch.Prepare(t.Context(), p, resolver, noMaker{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if l.Journal, err = journal.Open(dir, "test"); err != nil {
		t.Fatal(err)
	}
	l.Warn, l.Events = say, func(ev runtime.Event) { say(fmt.Sprintf("%+v", ev)) }
	e := newMemory()
	done := make(chan error, 1)
	go func() { _, err := l.Run(t.Context(), e); done <- err }()
	for _, ref := range refs {
		e.stale <- runtime.Stale{Node: p.Node("container:cred-proxy"), Slot: ref.String()}
	}
	eventually(t, "three are fetched again", func() bool { return len(e.messages()) >= 3 })
	c := &changing{Launch: l, e: e, old: p.Digest()}
	ch := c.to(t, refs[1:]...)
	ch.Steps[0].Interim = []byte("bad")
	ch.Secrets = c.parcel(t, file(key))
	e.answer = func(_ context.Context, _ plan.ID, values map[string][]byte) error {
		if string(values["config"]) == "bad" {
			return errors.New("silence")
		}
		return nil
	}
	err = l.Apply(t.Context(), ch)
	say(fmt.Sprintf("%v %+v %#v", err, ch, ch.Secrets))
	put(t, key, canary+"\n"+canary)
	e.stale <- runtime.Stale{Node: p.Node("container:cred-proxy"), Slot: file(key).String()}
	say(fmt.Sprintf("%v %+v", l, l))
	close(e.end)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := l.Journal.Close(); err != nil {
		t.Error(err)
	}
	if out, err := exec.CommandContext(context.Background(), "grep", "-r", canary, dir).CombinedOutput(); err == nil {
		t.Errorf("a value is in the launch's directory: %s", out)
	}
	mu.Lock()
	defer mu.Unlock()
	all := strings.Join(said, "\n")
	if strings.Contains(all, canary) || strings.Contains(all, "99 97 110 97") {
		t.Errorf("a value was said:\n%s", all)
	}
	if len(said) < 6 {
		t.Errorf("only this was said: %q", said)
	}
}
