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
