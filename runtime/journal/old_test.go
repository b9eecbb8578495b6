package journal_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bottle-run/bottle/runtime/journal"
)

// TestTracesAreRemovedWhenDead: a launch whose lock is held keeps its directory; a
// dead one's goes, with nothing left of it, and what is no launch's is not seen.
func TestTracesAreRemovedWhenDead(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, dir := range []string{"other", ".locks"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	j, err := journal.Open(root, "a")
	if err != nil {
		t.Fatal(err)
	}
	j.Audit([]byte(`{"kind":"request"}`))
	found, err := journal.Traces(root)
	if err != nil || len(found) != 1 || found[0].Name != "a" || found[0].Bytes != 19 || time.Since(found[0].Used) > time.Minute {
		t.Fatalf("%+v, %v, want a with 19 bytes, of now", found, err)
	}
	if err := found[0].Remove(); !errors.Is(err, journal.ErrRunning) {
		t.Errorf("removed while its launcher lives: %v", err)
	}
	if _, err := os.Stat(j.AuditPath()); err != nil {
		t.Error(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := found[0].Remove(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(root)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v, want only what is no launch's", entries, err)
	}
}
