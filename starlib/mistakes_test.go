package starlib_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/starlib"
)

// modules is a file system with the script and the modules of testdata.
func modules(tb testing.TB, script string) fstest.MapFS {
	tb.Helper()
	fsys := fstest.MapFS{"launch.star": {Data: []byte(script)}}
	root := os.DirFS("testdata/modules")
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(root, path)
		fsys[path] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return fsys
}

func eval(tb testing.TB, script string, args map[string]string) (*starlib.Launch, error) {
	tb.Helper()
	return starlib.Eval(context.Background(), starlib.Options{FS: modules(tb, script), Script: "launch.star", Args: args})
}

// mark is where a line of a chunk says what is wrong with it:
//
//	agent("x", comand = ["a"])  ### 1: agent: there is no parameter "comand" (did you mean command?)
//
// The number is the column. A mistake in a module stands on the line of the script
// that leads there, with the module's place in front.
const mark = "  ### "

// TestMistakes holds the message of every mistake, word for word, to the line
// that it blames. Chunks are separated by lines of three hyphens.
func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/mistakes/*.star")
	if err != nil || len(files) == 0 {
		t.Fatal("no chunks", err)
	}
	count := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		chunks := strings.Split(string(data), "\n---\n")
		for i, chunk := range chunks {
			chunks[i] = mistakes(t, chunk)
			count += strings.Count(chunk, mark)
			if chunks[i] != chunk && !*update {
				t.Errorf("%s: got\n%s\nwant\n%s", file, chunks[i], chunk)
			}
		}
		if *update {
			golden(t, file, strings.Join(chunks, "\n---\n"))
		}
	}
	if count < 40 && !*update {
		t.Errorf("%d mistakes are held, want 40 or more", count)
	}
}

// mistakes evaluates a chunk and returns it with what was found wrong.
func mistakes(t *testing.T, chunk string) string {
	t.Helper()
	lines := strings.Split(chunk, "\n")
	for i, line := range lines {
		lines[i], _, _ = strings.Cut(line, mark)
	}
	l, err := eval(t, strings.Join(lines, "\n"), nil)
	if err == nil {
		t.Errorf("no mistake was found in\n%s\n%s", chunk, l.Plan)
		return chunk
	}
	e := mistake(t, err)
	for _, e := range append([]*starlib.Error{e}, e.More...) {
		at, place := e.Pos, ""
		if at.File != "launch.star" {
			place = at.String() + ": "
			outer := slices.IndexFunc(e.Via, func(p plan.Pos) bool { return p.File == "launch.star" })
			if outer < 0 {
				at = plan.Pos{Line: 1}
			} else {
				at = e.Via[outer]
			}
		}
		text := e.Msg
		if e.Hint != "" {
			text += "; " + e.Hint
		}
		line := max(at.Line, 1) - 1
		for line >= len(lines) {
			lines = append(lines, "")
		}
		lines[line] += fmt.Sprintf("%s%d: %s%s", mark, at.Col, place, text)
	}
	return strings.Join(lines, "\n")
}

// mistake returns the *starlib.Error that every error of a script is.
func mistake(tb testing.TB, err error) *starlib.Error {
	tb.Helper()
	var e *starlib.Error
	if !errors.As(err, &e) {
		tb.Fatalf("%T is not a *starlib.Error: %v", err, err)
	}
	return e
}
