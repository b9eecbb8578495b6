package docker_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/runtime/docker"
)

// No container sees the directories of launches, its own or others': by the socket
// there a launch is commanded.
func TestStateIsNoMount(t *testing.T) {
	base := t.TempDir()
	state, work, link := filepath.Join(base, "home", "state", "bottle"), filepath.Join(base, "home", "work"), filepath.Join(base, "link")
	for _, dir := range []string{filepath.Join(state, "a"), work} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(base, "home"), link); err != nil {
		t.Fatal(err)
	}
	journal := filepath.Join(link, "state", "bottle", "a")
	for path, refused := range map[string]bool{
		filepath.Join(state, "a"): true, filepath.Join(state, "other"): true, state: true, filepath.Join(base, "home"): true, base: true, work: false,
	} {
		err := docker.RefuseMount(journal, path)
		if got := err != nil && strings.Contains(err.Error(), "bottle's own state"); got != refused {
			t.Errorf("%s: %v", path, err)
		}
	}
}
