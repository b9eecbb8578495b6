package starlib_test

import (
	"context"
	"reflect"
	"testing"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/starlib"
)

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

// TestMistypedArg: a name that no parameter has is why another is missing.
func TestMistypedArg(t *testing.T) {
	_, err := eval(t, `agent("i", command = [param("task")])`, map[string]string{"tsk": "x"})
	want := `launch.star:1:23: parameter "task" was not given; add --arg task=… instead of --arg tsk=…`
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
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
