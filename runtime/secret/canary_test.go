package secret_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zalando/go-keyring"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/runtime/secret"
)

const canary = "canary-9f3b1c77"

func write(t *testing.T, name, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// sources are one reference of each kind, all with the canary behind them.
func sources(t *testing.T) (*secret.Resolver, []plan.Secret) {
	t.Helper()
	secret.MockKeyring(t)
	if err := keyring.Set("svc", "me", canary); err != nil {
		t.Fatal(err)
	}
	s := newTokenServer(t)
	s.answer = func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer","expires_in":3600}`, canary)
	}
	r := &secret.Resolver{
		LookupEnv: func(string) (string, bool) { return canary, true },
		Ask:       func(context.Context, string) ([]byte, error) { return []byte(canary + "\n"), nil },
		Client:    s.Client(),
	}
	return r, []plan.Secret{
		{Kind: plan.SecretEnv, Args: []string{"K"}},
		{Kind: plan.SecretFile, Args: []string{write(t, "key", canary+"\n", 0o600)}},
		{Kind: plan.SecretCommand, Args: []string{"cat", write(t, "key", canary, 0o600)}},
		{Kind: plan.SecretKeyring, Args: []string{"svc", "me"}},
		{Kind: plan.SecretPrompt, Args: []string{"key"}},
		s.ref(plan.Secret{Kind: plan.SecretPrompt, Args: []string{"refresh"}}),
	}
}

// Every kind of source gives its value, and neither the values nor the resolver
// print it, whatever asks.
func TestNoValueIsPrinted(t *testing.T) {
	r, refs := sources(t)
	values, err := r.Resolve(t.Context(), refs)
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range refs {
		if v, ok := values.Bytes(ref); !ok || string(v) != canary {
			t.Errorf("%s: got %q, %v", ref.Kind, v, ok)
		}
	}
	keeper := &secret.Keeper{Resolver: r, Values: values}
	holder := struct {
		V *secret.Values
		R *secret.Resolver
		K *secret.Keeper
	}{values, r, keeper}
	for verb := range strings.FieldsSeq("%v %+v %#v %s %q %x %d") {
		for _, v := range []any{values, r, keeper, holder} {
			if s := fmt.Sprintf(verb, v); strings.Contains(s, canary) || strings.Contains(s, fmt.Sprintf("%x", canary)) || strings.Contains(s, "99 97 110") {
				t.Errorf("%s of %T prints a value", verb, v)
			}
		}
	}
}

// A source that fails does so without the value that it had, for each way in which
// one holding a value can fail.
func TestNoValueInErrors(t *testing.T) {
	secret.MockKeyring(t)
	bad := canary + "\nsecond line"
	if err := keyring.Set("svc", "me", bad); err != nil {
		t.Fatal(err)
	}
	s := newTokenServer(t)
	s.answer = func(w http.ResponseWriter, r *http.Request) { // a server that says back all that it was told
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":"invalid_request","error_description":"%s what is %s, %s?"}`, strings.Repeat("x", 265), r.PostFormValue("refresh_token"), r.PostFormValue("client_secret"))
	}
	r := &secret.Resolver{
		LookupEnv: func(name string) (string, bool) {
			if name == "GOOD" {
				return canary, true
			}
			return bad, true
		},
		Ask:    func(context.Context, string) ([]byte, error) { return []byte(bad), nil },
		Client: s.Client(),
	}
	good := plan.Secret{Kind: plan.SecretEnv, Args: []string{"GOOD"}}
	loud := write(t, "loud", "#!/bin/sh\nset -x\nkey=$(cat "+write(t, "key", canary, 0o600)+")\necho $key\nexit 3\n", 0o700)
	for _, ref := range []plan.Secret{
		{Kind: plan.SecretEnv, Args: []string{"K"}},
		{Kind: plan.SecretFile, Args: []string{write(t, "key", bad, 0o600)}},
		{Kind: plan.SecretFile, Args: []string{write(t, "key", canary, 0o644)}},
		{Kind: plan.SecretCommand, Args: []string{"printf", bad}},
		{Kind: plan.SecretCommand, Args: []string{loud}},
		{Kind: plan.SecretKeyring, Args: []string{"svc", "me"}},
		{Kind: plan.SecretPrompt, Args: []string{"key"}},
		s.ref(good, good),
	} {
		_, err := r.Resolve(t.Context(), []plan.Secret{ref})
		if err == nil {
			t.Errorf("%s: no error", ref)
			continue
		}
		for verb := range strings.FieldsSeq("%v %+v %#v") {
			if text := fmt.Sprintf(verb, err); ref.Args[0] != "printf" && strings.Contains(text, canary) {
				t.Errorf("%s: the error prints the value: %s", ref, text)
			}
		}
	}
}
