package tests_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/bottle-run/bottle/"

// layers is the architecture: what each package may import of this module. One
// that is missing here has no place in it yet.
var layers = map[string][]string{
	"runtime/plan":            {},
	"runtime/secret":          {"runtime/plan"},
	"runtime/journal":         {},
	"runtime/control":         {},
	"runtime":                 {"runtime/plan"},
	"runtime/docker":          {"runtime", "runtime/plan"},
	"runtime/launch":          {"runtime", "runtime/plan", "runtime/secret", "runtime/journal"},
	"sidecar":                 {},
	"sidecar/credproxy":       {"sidecar", "sidecar/dlp", "sidecar/git"},
	"sidecar/dlp":             {},
	"sidecar/git":             {"sidecar", "sidecar/dlp"},
	"sidecar/pipelock":        {"sidecar", "sidecar/dlp"},
	"stdlib":                  {},
	"starlib":                 {"runtime/plan", "stdlib", "sidecar", "sidecar/credproxy", "sidecar/pipelock"},
	"cmd":                     {"runtime", "runtime/plan", "runtime/secret", "runtime/journal", "runtime/control", "runtime/launch", "runtime/docker", "starlib", "sidecar", "sidecar/credproxy", "sidecar/pipelock"},
	"cmd/bottle":              {"cmd"},
	"examples/hello/agent":    {},
	"examples/hello/upstream": {},
	"tests/faultproxy":        {},
	"tests/bench":             {}, // a module of its own
	"tests/bench/feed":        {},
	"tests/prober":            {},
	"tests/peer":              {"sidecar", "sidecar/credproxy"},
}

// TestLayersAndDocs holds every import against the table, and every package to
// having said what it is.
func TestLayersAndDocs(t *testing.T) {
	documented := map[string]bool{}
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(filepath.Dir(file))[len("../"):]
		allowed, ok := layers[pkg]
		if !ok {
			t.Errorf("%s: package %s is in no layer", file, pkg)
		}
		documented[pkg] = documented[pkg] || f.Doc != nil
		for _, imp := range f.Imports {
			path := strings.Trim(imp.Path.Value, `"`)
			to, ours := strings.CutPrefix(path, module)
			if ours && !slices.Contains(allowed, to) {
				t.Errorf("%s imports %s, which its layer may not", file, to)
			}
			if strings.HasPrefix(path, "github.com/docker/docker/") && pkg != "runtime/docker" {
				t.Errorf("%s imports %s, which only runtime/docker may", file, path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range layers {
		if !documented[pkg] {
			t.Errorf("package %s has no package comment, or is gone", pkg)
		}
	}
}
