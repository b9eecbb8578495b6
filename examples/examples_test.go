// Package examples_test plans every example.
package examples_test

import (
	"context"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/starlib"
)

var update = flag.Bool("update", false, "rewrite the golden plans")

// args are the values of the parameters that an example demands.
var args = map[string]map[string]string{
	"claude.star": {"task": "fix the failing test"},
	"codex.star":  {"task": "write the missing tests"},
	"github.star": {"repo": "acme/shop", "issue": "42"},
	"ci.star":     {"repo": "acme/shop", "issue": "42"},
}

// TestExamples holds the plan of every example, and its first lines to telling
// what it is for: `bottle run x.star --help` prints them.
func TestExamples(t *testing.T) {
	scripts, err := filepath.Glob("*.star")
	if err != nil || len(scripts) < 5 {
		t.Fatal(scripts, err)
	}
	fsys := built(t)
	for _, script := range scripts {
		t.Run(script, func(t *testing.T) {
			o := starlib.Options{FS: fsys, Script: script, Args: args[script]}
			l, err := starlib.Eval(context.Background(), o)
			if mistake := (*starlib.Error)(nil); errors.As(err, &mistake) {
				t.Fatal(mistake.Detail())
			} else if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("..", "tests", "testdata", "golden", strings.TrimSuffix(script, ".star")+".plan"), l.Plan.String())
			o.Args = nil
			if _, doc, err := starlib.Params(context.Background(), o); err != nil || doc == "" {
				t.Errorf("doc %q, %v", doc, err)
			}
			src, err := fs.ReadFile(fsys, script)
			if err != nil {
				t.Fatal(err)
			}
			if lines := strings.Count(string(src), "\n"); lines > 40 {
				t.Errorf("%d lines are too many for an example", lines)
			}
		})
	}
}

// built is this directory, with something in place of what `make demo` builds.
func built(t *testing.T) fs.FS {
	t.Helper()
	fsys := fstest.MapFS{}
	here := os.DirFS(".")
	err := fs.WalkDir(here, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if path == "build" {
				return fs.SkipDir
			}
			return err
		}
		data, err := fs.ReadFile(here, path)
		fsys[path] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := sidecar.NewCA("examples")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"ca.pem": cert, "cert.pem": cert, "key.pem": key} {
		fsys["build/"+name] = &fstest.MapFile{Data: data}
	}
	return fsys
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s\n(go test ./examples -update rewrites it)", got, want)
	}
}
