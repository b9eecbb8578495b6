package secret

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/zalando/go-keyring"
)

// readKeyring returns an item of the keyring of this user's session: Secret
// Service on Linux and the BSDs, Keychain on macOS.
func readKeyring(ctx context.Context, service, user string) ([]byte, error) {
	var v string
	err := withKeyring(ctx, func() (err error) { v, err = keyring.Get(service, user); return err })
	if errors.Is(err, keyring.ErrNotFound) {
		return nil, fmt.Errorf("the keyring has no such item; add it with: %s", storeCommand(service, user))
	}
	return []byte(v), err
}

func writeKeyring(ctx context.Context, service, user string, value []byte) error {
	return withKeyring(ctx, func() error { return keyring.Set(service, user, string(value)) })
}

// withKeyring calls f, which takes no context and may wait for a person who must
// unlock the keyring. When that takes too long its goroutine is left behind.
func withKeyring(ctx context.Context, f func() error) error {
	if err := findKeyring(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, commandTimeout, fmt.Errorf("the keyring did not answer within %v: is it locked?", commandTimeout))
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		if err != nil && !errors.Is(err, keyring.ErrNotFound) {
			return fmt.Errorf("asking the keyring: %w", err)
		}
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

var errNoKeyring = errors.New("there is no keyring here: no session bus by which Secret Service could answer; on a server, use secret.file or secret.command")

// findKeyring says so where no keyring can be: the library would try to start a
// session bus of its own, with an empty keyring behind it.
func findKeyring() error {
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" || keyringStandsIn {
		return nil
	}
	if os.Getenv("DBUS_SESSION_BUS_ADDRESS") != "" {
		return nil
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		if _, err := os.Stat(filepath.Join(dir, "bus")); err == nil {
			return nil
		}
	}
	return errNoKeyring
}

// keyringStandsIn is set by tests that put another keyring in the place of the
// session's.
var keyringStandsIn bool //nolint:gochecknoglobals // as the library's own MockInit

func storeCommand(service, user string) string {
	if runtime.GOOS == "darwin" {
		return fmt.Sprintf("security add-generic-password -s %q -a %q -w", service, user)
	}
	return fmt.Sprintf("secret-tool store --label=%q service %q username %q", service, service, user)
}
