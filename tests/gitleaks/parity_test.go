// Package gitleaks_test holds the scanner against gitleaks' own detector. It is a
// module of its own: the detector brings readers of every archive format, and git.
package gitleaks_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zricethezav/gitleaks/v8/detect"
	"github.com/zricethezav/gitleaks/v8/report"

	"github.com/bottle-run/bottle/sidecar/dlp"
)

// strict are the rules that gitleaks holds to files of some name.
var strict = []string{"hashicorp-tf-password", "kubernetes-secret-yaml", "nuget-config-password", "freemius-secret-key"}

// What gitleaks finds in Go's sources and their test data, which hold keys of all
// kinds, the scanner finds; what it finds besides is told.
func TestFindsWhatGitleaksFinds(t *testing.T) {
	detector, err := detect.NewDetectorDefaultConfig()
	if err != nil {
		t.Fatal(err)
	}
	scanner, err := dlp.New()
	if err != nil {
		t.Fatal(err)
	}
	texts, found, missed, more := 0, 0, 0, 0
	for name, text := range sources(t) {
		texts++
		theirs := detector.DetectBytes(text)
		_, ours := scanner.Find(text)
		theirs = slices.DeleteFunc(theirs, func(f report.Finding) bool { return slices.Contains(strict, f.RuleID) })
		switch {
		case len(theirs) > 0 && ours:
			found++
		case len(theirs) > 0:
			missed++
			t.Logf("missed: %s in %s, line %d", theirs[0].RuleID, name, theirs[0].StartLine)
		case ours:
			more++
			f, _ := scanner.Find(text)
			t.Logf("more: %s in %s, line %d", f.Rule, name, 1+bytes.Count(text[:f.Start], []byte("\n")))
		}
	}
	t.Logf("%d files; both find something in %d, gitleaks alone in %d, the scanner alone in %d", texts, found, missed, more)
	if found == 0 || missed > found/50 {
		t.Errorf("gitleaks finds something in %d files that the scanner finds nothing in", missed)
	}
}

// sources are files of GOROOT that may hold what looks like a secret: its tests and
// their data, and one in ten of the others.
func sources(t *testing.T) map[string][]byte {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	root, texts, n := strings.TrimSpace(string(out)), map[string][]byte{}, 0
	err = filepath.WalkDir(filepath.Join(root, "src"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		likely := strings.Contains(path, "crypto") || strings.Contains(path, "net/") || strings.HasSuffix(path, ".pem")
		if n++; !likely && n%10 != 0 {
			return nil
		}
		data, err := os.ReadFile(path)
		if err == nil && len(data) < 256<<10 {
			texts[strings.TrimPrefix(path, root)] = data
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}
