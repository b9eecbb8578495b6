package tests_test

import (
	"testing"
)

// TestGitPush: git pushes what the route allows, and tells the agent why it does not
// push the rest. A large push needs little memory.
func TestGitPush(t *testing.T) {
	t.Parallel()
	mib := "16"
	if isLong() {
		mib = "200"
	}
	clients(t, "push.sh", "--arg", "push_mib="+mib)
}
