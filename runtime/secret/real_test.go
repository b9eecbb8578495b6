package secret_test

import (
	"os"
	"testing"

	"github.com/zalando/go-keyring"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/runtime/secret"
)

// A real keyring, where there is one that a test may write to: run it as
// `dbus-run-session -- sh -c 'echo -n pw | gnome-keyring-daemon --unlock && BOTTLE_KEYRING=1 go test …'`.
func TestRealKeyring(t *testing.T) {
	if os.Getenv("BOTTLE_KEYRING") == "" {
		t.Skip("not run: BOTTLE_KEYRING does not say that the session's keyring may be written to")
	}
	const service, user = "bottle-test", "somebody"
	if err := keyring.Set(service, user, canary); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keyring.Delete(service, user) })
	v, _, err := new(secret.Resolver).Lookup(t.Context(), plan.Secret{Kind: plan.SecretKeyring, Args: []string{service, user}})
	if err != nil || string(v) != canary {
		t.Errorf("got %q, %v", v, err)
	}
	if _, _, err := new(secret.Resolver).Lookup(t.Context(), plan.Secret{Kind: plan.SecretKeyring, Args: []string{service, "nobody"}}); err == nil {
		t.Error("found an item that is not there")
	} else {
		t.Log(err)
	}
}
