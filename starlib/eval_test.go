package starlib_test

import (
	"context"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/starlib"
)

// TestDetail holds the full text of a mistake: message, source line, caret, cure
// and the calls that led there.
func TestDetail(t *testing.T) {
	_, err := eval(t, `load("//lib/team.star", "deep")

def launch():
	deep("i", env = {"A": 1})

launch()
`, nil)
	want := `lib/team.star:6:12: agent: for parameter "env": the value of "A" is int 1, want string
      return agent(image, **kwargs)
             ^
  called from lib/team.star:9:12
  called from launch.star:4:2
  called from launch.star:6:1
`
	if got := mistake(t, err).Detail(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestCaret: tabs and characters of several bytes do not move the caret.
func TestCaret(t *testing.T) {
	_, err := eval(t, "if True:\n\tx = \"käse\"; y = oops\n", nil)
	want := "launch.star:2:18: undefined: oops\n   x = \"käse\"; y = oops\n                   ^\n"
	if got := mistake(t, err).Detail(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestPlaces: a node stands at the start of the call that asked for it, also of a
// call over several lines, of a method, and of a call within a call.
func TestPlaces(t *testing.T) {
	l, err := eval(t, `x = [
    (agent)(
        image("i"),
    ),
]
def f(name):
    return struct(g = lambda: agent("i", name = name))
f("b").g()
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[plan.ID]string{"container:agent": "launch.star:2:5", "image:i": "launch.star:3:9", "container:b": "launch.star:7:31"} {
		if got := l.Plan.Node(id).Pos.String(); got != want {
			t.Errorf("%s is at %s, want %s", id, got, want)
		}
	}
	if via := l.Plan.Node("container:b").Via; len(via) != 1 || via[0].String() != "launch.star:8:1" {
		t.Errorf("via %v", via)
	}
}

// TestArgumentsAreCopied: what a script changes after a call changes nothing.
func TestArgumentsAreCopied(t *testing.T) {
	l, err := eval(t, `
allow, env, cmd, routes = ["a.com"], {"A": "1"}, ["x"], [route("/a/", "https://r.com")]
route_dict = {"path": "/d/", "upstream": "https://d.com"}
routes.append(route_dict)
cred_proxy(routes)
pipelock(allow)
agent("i", env = env, command = cmd)
allow.append("b.com")
env["A"] = "2"
cmd.append("y")
routes.clear()
route_dict["path"] = "/e/"
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	text := indented(t, l.Plan)
	for _, gone := range []string{"b.com", `"A": "2"`, `"y"`, "/e/"} {
		if strings.Contains(text, gone) {
			t.Errorf("the plan has %s", gone)
		}
	}
	if !strings.Contains(text, "/d/") {
		t.Error("the plan has lost a route")
	}
}

// TestURL: what url() returns can be a base URL, whatever is put behind it.
func TestURL(t *testing.T) {
	for path, want := range map[string]string{
		"/anthropic/":   "http://cred-proxy:9099/anthropic",
		"/anthropic":    "http://cred-proxy:9099/anthropic",
		"/anthropic/v1": "http://cred-proxy:9099/anthropic/v1",
		"/a/b/":         "http://cred-proxy:9099/a/b",
	} {
		var got string
		_, err := starlib.Eval(context.Background(), starlib.Options{
			FS: modules(t, `keys = cred_proxy([route("/anthropic/", "https://a.com"), route("/a/", "https://b.com")])
print(keys.url("`+path+`"))
agent("i")`), Script: "launch.star",
			Print: func(_ plan.Pos, msg string) { got = msg },
		})
		if err != nil || got != want {
			t.Errorf("url(%q) = %q, %v; want %q", path, got, err, want)
		}
	}
}

// TestModules: a module is executed once, whatever label leads to it, and what it
// exports is frozen.
func TestModules(t *testing.T) {
	fsys := fstest.MapFS{
		"x/launch.star": {Data: []byte(`load("./m.star", "list")
load("//x/m.star", again = "list")
agent("i", command = ["same" if list == again else "other"])
list.append(2)`)},
		"x/m.star": {Data: []byte(`print("once")` + "\nlist = [1]")},
	}
	printed := 0
	_, err := starlib.Eval(context.Background(), starlib.Options{FS: fsys, Script: "x/launch.star", Print: func(plan.Pos, string) { printed++ }})
	if printed != 1 {
		t.Errorf("the module ran %d times", printed)
	}
	if err == nil || !strings.Contains(err.Error(), "x/launch.star:4:1: append: cannot append to frozen list") {
		t.Errorf("got %v", err)
	}
}

// TestNoWayOut: neither a load nor a file reaches past the root of the module,
// not by a link either when the root is an os.Root.
func TestNoWayOut(t *testing.T) {
	dir := t.TempDir()
	for name, data := range map[string]string{"secret.txt": "secret", "outside.star": "x = 1", "m/launch.star": ""} {
		path := dir + "/" + name
		if err := os.MkdirAll(path[:strings.LastIndex(path, "/")], 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("../secret.txt", dir+"/m/link.txt"), os.Symlink("../outside.star", dir+"/m/link.star")); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir + "/m")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, script := range []string{
		`agent("i", files = [file("/a", src = "link.txt")])`,
		`agent("i", files = [file("/a", src = "../secret.txt")])`,
		`agent("i", files = [file("/a", src = "//../secret.txt")])`,
		`pipelock(trust = ["link.txt"])`,
		`load("./link.star", "x")`,
		`load("./../outside.star", "x")`,
		`load("//../outside.star", "x")`,
		`load("@stdlib//../stdlib.go", "x")`,
	} {
		if err := os.WriteFile(dir+"/m/launch.star", []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := starlib.Eval(context.Background(), starlib.Options{FS: root.FS(), Script: "launch.star"})
		if err == nil {
			t.Errorf("%s: no error\n%s", script, l.Plan)
		}
	}
}

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

// TestHeap: a script that fills the memory in small bites is stopped.
func TestHeap(t *testing.T) {
	if testing.Short() {
		t.Skip("makes a gigabyte")
	}
	_, err := eval(t, "def f():\n    a = []\n    for i in range(1000000):\n        a.append(\"x\" * 1000000)\nf()\n", nil)
	if err == nil || !strings.Contains(err.Error(), "made more than 1024 MiB of values") {
		t.Errorf("got %v", err)
	}
}

// TestDeepFiles: nesting that would exhaust the parser's stack, which no program
// survives, is a mistake like others; so is a file that is not a script.
func TestDeepFiles(t *testing.T) {
	for _, src := range []string{
		strings.Repeat("(", 1<<19), strings.Repeat("[", 1<<19), "x = " + strings.Repeat("f(", 1<<18),
		strings.Repeat("x", 2<<20), strings.Repeat("-", 1<<19) + "1", strings.Repeat("not ", 1<<17) + "1",
		strings.Repeat("lambda:", 1<<16) + "1", "x = " + strings.Repeat("1 if 1 else ", 1<<16) + "1",
		strings.Repeat("x.", 1<<18) + "y", "x" + strings.Repeat("[0]", 1<<18), "x = 1" + strings.Repeat("+1", 1<<18),
		"\x00", "\xff\xfe", strings.Repeat("if 1:\n ", 1<<15),
	} {
		if _, err := eval(t, src, nil); err == nil {
			t.Errorf("%.20q…: no error", src)
		} else {
			mistake(t, err)
		}
	}
}

// TestParams: what --arg gives arrives with its type, and every parameter is
// known with its place.
func TestParams(t *testing.T) {
	script := `# What it does.
#
# And how.
task = param("task", help = "what to do")
n = param("n", default = 3)
f = param("f", default = 0.5)
b = param("b", type = "bool")
l = param("l", default = ["a", "b"])
c = param("c", default = "x", choices = ["x", "y"])
i = param("i", default = 1, choices = [1, 2])
n2 = param("n", default = 3)
print(repr([task, n, f, b, l, c, i, n2]))
agent("i")
`
	var printed string
	o := starlib.Options{
		FS: modules(t, script), Script: "launch.star", Print: func(_ plan.Pos, msg string) { printed = msg },
		Args: map[string]string{"task": "it's", "n": "7", "f": "2", "b": "true", "l": "x, y", "c": "y", "i": "2"},
	}
	l, err := starlib.Eval(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if want := `["it's", 7, 2.0, True, ["x", "y"], "y", 2, 7]`; printed != want {
		t.Errorf("got %s, want %s", printed, want)
	}
	o.Args, o.Print = nil, nil
	params, doc, err := starlib.Params(context.Background(), o)
	if err != nil || doc != "What it does.\n\nAnd how." {
		t.Errorf("doc %q, %v", doc, err)
	}
	if !reflect.DeepEqual(params, l.Params) || len(params) != 7 {
		t.Errorf("without values the parameters are %+v, with values %+v", params, l.Params)
	}
	want := starlib.Param{Name: "task", Type: "string", Help: "what to do", Pos: plan.Pos{File: "launch.star", Line: 4, Col: 8}}
	if !reflect.DeepEqual(params[0], want) {
		t.Errorf("got %+v, want %+v", params[0], want)
	}
	if p := params[4]; p.Default != "a,b" || p.Type != "list" || !p.HasDefault {
		t.Errorf("got %+v", p)
	}
}

// TestArgs holds the messages about values from outside.
func TestArgs(t *testing.T) {
	script := `param("task", default = "x")
param("n", default = 1)
param("level", default = "low", choices = ["low", "high"])
param("days", type = "list", default = ["mon"], choices = ["mon", "tue"])
param("sure", default = False)
agent("i")`
	for _, test := range []struct{ name, value, want string }{
		{"tsk", "x", `launch.star: there is no parameter "tsk" (did you mean task?); its parameters are task, n, level, days, sure`},
		{"n", "x", `launch.star:2:1: param: --arg n=x: want a whole number`},
		{"n", "", `launch.star:2:1: param: --arg n=: want a whole number`},
		{"level", "hihg", `launch.star:3:1: param: --arg level=hihg: "hihg" is not one of low, high (did you mean high?)`},
		{"days", "mon,wed", `launch.star:4:1: param: --arg days=mon,wed: "wed" is not one of mon, tue`},
		{"sure", "perhaps", `launch.star:5:1: param: --arg sure=perhaps: want true or false`},
	} {
		_, err := eval(t, script, map[string]string{test.name: test.value})
		if err == nil || err.Error() != test.want {
			t.Errorf("--arg %s=%s: got %v, want %s", test.name, test.value, err, test.want)
		}
	}
	_, err := eval(t, `agent("i")`, map[string]string{"x": "1"})
	if want := `launch.star: there is no parameter "x"; the script has no parameters`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestParamsOfABrokenScript: --help works for a script that rejects the values
// that stand in for those not given.
func TestParamsOfABrokenScript(t *testing.T) {
	script := `"""Its manual."""
p = param("repo", help = "owner/name")
if "/" not in p:
    fail("want owner/name")
q = param("later")
`
	params, doc, err := starlib.Params(context.Background(), starlib.Options{FS: modules(t, script), Script: "launch.star"})
	if err != nil || doc != "Its manual." || len(params) != 1 {
		t.Errorf("got %v, %q, %v", params, doc, err)
	}
	_, err = eval(t, script, nil)
	if want := `launch.star:2:5: parameter "repo" was not given; add --arg repo=…`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, _, err := starlib.Params(context.Background(), starlib.Options{FS: modules(t, "x ="), Script: "launch.star"}); err == nil {
		t.Error("a script that cannot be parsed has no parameters, and says so")
	}
}

// TestMissingScript: an error of the file system names the file.
func TestMissingScript(t *testing.T) {
	_, err := starlib.Eval(context.Background(), starlib.Options{FS: fstest.MapFS{}, Script: "no.star"})
	if err == nil || err.Error() != "no.star: file does not exist" {
		t.Errorf("got %v", err)
	}
	_, err = starlib.Eval(context.Background(), starlib.Options{FS: os.DirFS("testdata"), Script: "modules"})
	if err == nil || !strings.HasPrefix(err.Error(), "modules: ") {
		t.Errorf("got %v", err)
	}
}

// TestNoEffects: a script sees neither clock, chance nor environment.
func TestNoEffects(t *testing.T) {
	for _, name := range []string{"time", "random", "os", "environ", "open", "exec", "getenv", "http"} {
		if _, err := eval(t, "x = "+name, nil); err == nil || !strings.Contains(err.Error(), "undefined: "+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOperators: those that bottle looks at for size do what they always do.
func TestOperators(t *testing.T) {
	var got string
	_, err := starlib.Eval(context.Background(), starlib.Options{
		FS: modules(t, `
def f():
    x, s, l, d = 2, "a", [1], {"k": 1}
    m = l
    x *= 3
    s += "b"
    s *= 2
    l += [2]
    d["k"] += 4
    d["k"] *= 2
    return [x, s, l, m, d, 2 * "ab", "ab" * 0, (1,) * 2, 7 % 4, "%s-%d" % ("a", 1), 1 + 2 * 3, -1 * 5, [1] + [2], (1,) + (), b"a" * 2, 1 << 40 * 1]
print(f())
agent("i")`), Script: "launch.star",
		Print: func(_ plan.Pos, msg string) { got = msg },
	})
	want := `[6, "abab", [1, 2], [1, 2], {"k": 10}, "abab", "", (1, 1), 3, "a-1", 7, -5, [1, 2], (1,), b"aa", 1099511627776]`
	if err != nil || got != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}
