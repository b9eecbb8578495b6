package tests_test

import (
	"os"
	"testing"
)

// TestGitPush: git pushes what the route allows, and tells the agent why it does not
// push the rest. A large push needs little memory.
func TestGitPush(t *testing.T) {
	mib := "16"
	if os.Getenv("BOTTLE_LONG") != "" {
		mib = "200"
	}
	clients(t, "push.sh", "--arg", "push_mib="+mib)
}
