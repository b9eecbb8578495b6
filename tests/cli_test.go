package tests_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestCLI are sessions of the real binary that need no engine, each with its files
// below it.
func TestCLI(t *testing.T) {
	bin, err := filepath.Abs("../bin")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(bin, "bottle")); err != nil {
		t.Fatalf("%v: run these tests with `make test`", err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/cli",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", bin+string(os.PathListSeparator)+e.Getenv("PATH"))
			e.Setenv("XDG_STATE_HOME", filepath.Join(e.WorkDir, "state"))
			e.Setenv("DOCKER_HOST", "unix://"+filepath.Join(e.WorkDir, "none.sock")) // no engine
			e.Setenv("CI", "")
			return nil
		},
	})
}

// TestEngineCLI are sessions that need an engine; $PROBER is the image of the
// prober, and $NAME a name for a launch that is removed when the session ends.
func TestEngineCLI(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/engine/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	bin, err := filepath.Abs("../bin")
	if err != nil {
		t.Fatal(err)
	}
	all(t, files, func(f string) string { return strings.TrimSuffix(filepath.Base(f), ".txtar") }, func(t *testing.T, file string) {
		t.Helper()
		s := newStage(t, "")
		l := s.launch(t) // never started: its name, and its sweep
		testscript.Run(t, testscript.Params{
			Files: []string{file},
			Setup: func(e *testscript.Env) error {
				e.Setenv("PATH", bin+string(os.PathListSeparator)+e.Getenv("PATH"))
				e.Setenv("XDG_STATE_HOME", filepath.Join(e.WorkDir, "state"))
				e.Setenv("PROBER", filepath.Join(s.dir, "prober.tar"))
				e.Setenv("NAME", l.name)
				return nil
			},
		})
		l.gone()
	})
}

// TestSamePlan plans every example many times in processes of their own: the bytes
// are the same.
func TestSamePlan(t *testing.T) {
	t.Parallel()
	scripts := map[string][]string{
		"hello": nil, "two_agents": nil, "claude": {"-a", "task=x"}, "codex": {"-a", "task=x"}, "ci": {"-a", "repo=a/b", "-a", "issue=1"},
	}
	for name, args := range scripts {
		args = append([]string{"plan", "--json", "../examples/" + name + ".star"}, args...)
		first := ""
		for i := range 100 {
			out, err := exec.CommandContext(t.Context(), "../bin/bottle", args...).Output()
			if err != nil {
				t.Fatal(name, err)
			}
			if i == 0 {
				first = string(out)
			} else if string(out) != first {
				t.Fatalf("%s: run %d differs:\n%s\n%s", name, i, first, out)
			}
		}
	}
}
