package starlib_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/starlib"
)

// FuzzEval: no script makes bottle panic, hang or grow without bound; every error
// is a mistake with its place; and what a sidecar would refuse is refused here.
func FuzzEval(f *testing.F) {
	for _, pattern := range []string{"testdata/plans/*.star", "testdata/mistakes/*.star", "../examples/*.star", "../stdlib/*.star"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatal(pattern, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			for chunk := range strings.SplitSeq(string(data), "\n---\n") {
				f.Add(chunk)
			}
		}
	}
	f.Fuzz(func(t *testing.T, script string) {
		o := starlib.Options{FS: modules(t, script), Script: "launch.star", MaxSteps: 20_000, Args: map[string]string{"task": script}}
		l, err := starlib.Eval(context.Background(), o)
		if err != nil {
			var e *starlib.Error
			if !errors.As(err, &e) {
				t.Fatalf("%T is not a *starlib.Error: %v", err, err)
			}
			if e.Pos.File == "" || e.Msg == "" || e.Detail() == "" {
				t.Fatalf("a mistake without a place or a message: %+v", e)
			}
			return
		}
		accepted(t, l.Plan)
		if again, err := starlib.Eval(context.Background(), o); err != nil || again.Plan.Digest() != l.Plan.Digest() {
			t.Fatalf("evaluated again it is another plan: %v", err)
		}
	})
}
