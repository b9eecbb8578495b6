package docker_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/bottle-run/bottle/runtime/docker"
)

// TestDigestIsThatOfTheContent holds that a digest from the cache is never that of
// another content, and that a file which stays as it is is read once.
func TestDigestIsThatOfTheContent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, cache := filepath.Join(dir, "file"), filepath.Join(dir, "cache")
	reads := 0
	check := func(when string, wantReads int) {
		t.Helper()
		got, err := docker.Recall(cache, file, func() string { reads++; return digest(t, file) })
		if err != nil || got != digest(t, file) {
			t.Errorf("%s: %s, %v, want %s", when, got, err, digest(t, file))
		}
		if reads != wantReads {
			t.Errorf("%s: %d reads, want %d", when, reads, wantReads)
		}
	}
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	check("just written", 1)
	check("just written, again", 2) // for it may be written again at this very moment
	time.Sleep(docker.Settled + 100*time.Millisecond)
	check("settled", 3)
	check("remembered", 3)
	if runtime.GOOS == "linux" {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		write("two")
		if err := os.Chtimes(file, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
		check("of the same size and time", 4)
	}
	entries, err := filepath.Glob(filepath.Join(cache, "*"))
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v, want one entry", entries, err)
	}
	if err := os.WriteFile(entries[0], []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := reads
	check("broken cache", before+1)
	if _, err := docker.Recall("", file, func() string { return "" }); err != nil {
		t.Errorf("without a cache: %v", err)
	}
}

func digest(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
