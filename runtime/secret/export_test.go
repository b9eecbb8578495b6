package secret

import (
	"testing"

	"github.com/zalando/go-keyring"
)

// MockKeyring puts a keyring of the test's own in the place of the session's.
func MockKeyring(t *testing.T) {
	t.Helper()
	keyring.MockInit()
	keyringStandsIn = true
	t.Cleanup(func() { keyringStandsIn = false })
}
