package secret_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/runtime/secret"
)

func TestMain(m *testing.M) {
	// The library keeps its connection to the session bus.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/godbus/dbus/v5.newConn.func1"),
		goleak.IgnoreAnyFunction("github.com/godbus/dbus/v5.(*Conn).inWorker"))
}

func env(name string) plan.Secret { return plan.Secret{Kind: plan.SecretEnv, Args: []string{name}} }

func prompt(label string) plan.Secret {
	return plan.Secret{Kind: plan.SecretPrompt, Args: []string{label}}
}

// A person is asked for one thing after the other, each once, in the script's
// order, and only when everything else is there.
func TestPrompts(t *testing.T) {
	var asked []string
	here := map[string]string{}
	r := &secret.Resolver{
		LookupEnv: func(name string) (string, bool) { v, ok := here[name]; return v, ok },
		Ask: func(_ context.Context, label string) ([]byte, error) {
			asked = append(asked, label)
			return []byte("typed " + label), nil
		},
	}
	refs := []plan.Secret{prompt("b"), env("A"), prompt("a"), prompt("b")}
	if _, err := r.Resolve(t.Context(), refs); err == nil || !strings.Contains(err.Error(), `secret.env("A"): is not set`) || len(asked) > 0 {
		t.Errorf("without A: asked %v, error %v", asked, err)
	}
	here["A"] = "value"
	values, err := r.Resolve(t.Context(), refs)
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := values.Bytes(prompt("a")); string(v) != "typed a" || strings.Join(asked, " ") != "b a" {
		t.Errorf("asked %v, got %q", asked, v)
	}
}

// Without anybody to ask, a prompt is missing like anything else, in one error.
func TestPromptWithoutTerminal(t *testing.T) {
	r := &secret.Resolver{LookupEnv: func(string) (string, bool) { return "", false }}
	oauth := plan.Secret{Kind: plan.SecretOAuth, Args: []string{"https://idp.example", "c", ""}, From: []plan.Secret{prompt("refresh")}}
	_, err := r.Resolve(t.Context(), []plan.Secret{prompt("a"), env("B"), oauth})
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 3 || !strings.Contains(lines[0], "no terminal") || !strings.Contains(lines[1], "B before") || !strings.Contains(lines[2], "no terminal") {
		t.Errorf("got %q", lines)
	}
}

// Who gives up at a prompt gets no launch.
func TestPromptGivenUp(t *testing.T) {
	r := &secret.Resolver{Ask: func(context.Context, string) ([]byte, error) { return nil, errors.New("interrupted") }}
	if _, err := r.Resolve(t.Context(), []plan.Secret{prompt("a")}); err == nil || err.Error() != `secret.prompt("a"): interrupted` {
		t.Errorf("got %v", err)
	}
}

// Where no session bus is there is no keyring, and none is started.
func TestNoKeyring(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	_, _, err := new(secret.Resolver).Lookup(t.Context(), plan.Secret{Kind: plan.SecretKeyring, Args: []string{"s", "u"}})
	if err == nil || !strings.Contains(err.Error(), "there is no keyring here") {
		t.Errorf("got %v", err)
	}
	secret.MockKeyring(t)
	_, _, err = new(secret.Resolver).Lookup(t.Context(), plan.Secret{Kind: plan.SecretKeyring, Args: []string{"s", "u"}})
	if err == nil || !strings.Contains(err.Error(), `secret-tool store --label="s" service "s" username "u"`) {
		t.Errorf("of an empty keyring: %v", err)
	}
}

// A file that others may read, write or replace is no secret.
func TestFiles(t *testing.T) {
	open := t.TempDir()
	if err := os.WriteFile(filepath.Join(open, "key"), []byte("v"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(write(t, "key", "v", 0o600), filepath.Join(open, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{
		{write(t, "ok", "v", 0o600), ""},
		{write(t, "ok", "v", 0o440), ""},
		{write(t, "key", "v", 0o604), "may be read by every user"},
		{write(t, "key", "v", 0o660), "may be written by others"},
		{write(t, "key", "v", 0o602), "may be written by others"},
		{filepath.Join(open, "key"), "may replace what is in " + open},
		{filepath.Join(open, "link"), "may replace what is in " + open},
		{t.TempDir(), "not a regular file"},
		{"/dev/null", "not a regular file"},
		{"/nonexistent/key", "no such file"},
		{write(t, "long", strings.Repeat("x", 70<<10), 0o600), "longer than 65536 bytes"},
		{write(t, "empty", "\n", 0o600), "is empty"},
	} {
		_, _, err := new(secret.Resolver).Lookup(t.Context(), file(c.path))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.path, err, c.want)
		}
	}
}

// A parcel carries the values, how long they are good, and what only the sender can
// look up, so that the other process can fetch them again; and prints none of it.
func TestParcel(t *testing.T) {
	sender := &secret.Resolver{
		LookupEnv: func(name string) (string, bool) { return "value of " + name, true },
		Ask:       func(context.Context, string) ([]byte, error) { return []byte("rt-7"), nil },
	}
	s := newTokenServer(t)
	s.current = 7
	oauth := s.ref(prompt("p"), env("B"))
	sender.Client = s.Client()
	refs := []plan.Secret{env("A"), oauth}
	found, err := sender.Resolve(t.Context(), refs)
	if err != nil {
		t.Fatal(err)
	}
	parcel, err := sender.Pack(t.Context(), found, refs)
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%v %+v %#v", parcel, &parcel, parcel.Values); strings.Contains(text, "value of") || strings.Contains(text, "118 97") {
		t.Errorf("it prints as %s", text)
	}
	b, err := json.Marshal(parcel)
	if err != nil {
		t.Fatal(err)
	}
	var got secret.Parcel
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	receiver := &secret.Resolver{Client: s.Client(), LookupEnv: func(string) (string, bool) { return "", false }}
	values, err := receiver.Unpack(got, refs)
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := values.Bytes(oauth); string(v) != "at-8" || time.Until(values.Ends(oauth)) < 9*time.Minute {
		t.Errorf("the access token is %q until %v", v, values.Ends(oauth))
	}
	if v, _, err := receiver.Lookup(t.Context(), oauth); err != nil || string(v) != "at-9" {
		t.Errorf("fetched again by the receiver: %q, %v", v, err)
	}
	got.Values[env("A").String()] = secret.Item{Value: []byte("two\nlines")}
	if _, err := receiver.Unpack(got, refs); err == nil {
		t.Error("a value that no header can carry was taken")
	}
}
