package starlib_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/starlib"
)

// TestBudgets: a script ends by its steps, and by the end of its context.
func TestBudgets(t *testing.T) {
	endless := "def f():\n    for i in range(1000000):\n        for j in range(1000000):\n            pass\nf()\n"
	_, err := starlib.Eval(context.Background(), starlib.Options{FS: modules(t, endless), Script: "launch.star", MaxSteps: 1000})
	if err == nil || !strings.Contains(err.Error(), "took more than 1000 steps") {
		t.Errorf("got %v", err)
	}
	cause := errors.New("the user went home")
	ctx, cancel := context.WithCancelCause(context.Background())
	printed := func(plan.Pos, string) { cancel(cause) }
	_, err = starlib.Eval(ctx, starlib.Options{FS: modules(t, "print(1)\n"+endless), Script: "launch.star", Print: printed})
	if err == nil || !strings.Contains(err.Error(), cause.Error()) {
		t.Errorf("got %v", err)
	}
}

// TestOneBudget: what modules do counts too.
func TestOneBudget(t *testing.T) {
	fsys := fstest.MapFS{
		"launch.star": {Data: []byte(`load("./m.star", "n")`)},
		"m.star":      {Data: []byte("n = len([i for i in range(100000)])")},
	}
	_, err := starlib.Eval(context.Background(), starlib.Options{FS: fsys, Script: "launch.star", MaxSteps: 5000})
	if err == nil || !strings.Contains(err.Error(), "m.star:1:") || !strings.Contains(err.Error(), "5000 steps") {
		t.Errorf("got %v", err)
	}
}

// bulk skips a test that fills the memory or takes long files, for which the race
// detector would take minutes: `make test` runs these apart, without it.
func bulk(t *testing.T) {
	t.Helper()
	if os.Getenv("BOTTLE_BULK") == "" {
		t.Skip("fills the memory: run with BOTTLE_BULK=1 and without -race, as make test does")
	}
}

// TestBulkHeap: a script that fills the memory in small bites is stopped.
func TestBulkHeap(t *testing.T) {
	bulk(t)
	_, err := eval(t, "def f():\n    a = []\n    for i in range(1000000):\n        a.append(\"x\" * 1000000)\nf()\n", nil)
	if err == nil || !strings.Contains(err.Error(), "made more than 1024 MiB of values") {
		t.Errorf("got %v", err)
	}
}

// TestBulkNesting: nesting that would exhaust the parser's stack, which no program
// survives, is a mistake like others; so is a file that is not a script. None of
// them takes the square of the time, which for the longest file would be hours.
func TestBulkNesting(t *testing.T) {
	bulk(t)
	const most = 256 << 10
	for _, link := range []string{
		"(", "[", "f(", "x()", "()", "[0]", "x.", "-", "not ", "lambda:", "1 if 1 else ", "+1 ", "*2 ", " or 1",
		"x, ", "x = ", "if 1:", "for x in y:", "[x for x in ", "\x00", "\xff", "#", "oops;",
	} {
		for _, before := range []string{"", "def f(): pass\nf"} {
			src := before + strings.Repeat(link, (most-len(before))/len(link))
			if _, err := eval(t, src, nil); err == nil {
				t.Errorf("%.20q…: no error", src)
			} else {
				_ = mistake(t, err)
			}
		}
	}
	_, err := eval(t, strings.Repeat("#", most+1), nil)
	if err == nil || err.Error() != "launch.star: the file has more than 262144 bytes; a launch script is a program, not data" {
		t.Errorf("got %v", err)
	}
}

// TestManyMistakes: what cannot be read by a human is not printed either.
func TestManyMistakes(t *testing.T) {
	_, err := eval(t, strings.Repeat("oops\n", 1000), nil)
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 11 || !strings.HasSuffix(lines[10], "here and in 990 more places") {
		t.Errorf("got %d lines, the last is %s", len(lines), lines[len(lines)-1])
	}
}
