package tests_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/runtime/control"
	running "github.com/bottle-run/bottle/runtime/launch"
	"github.com/bottle-run/bottle/runtime/plan"
)

const (
	readOnly  = `route("/api/", upstream = "https://api/private", auth = bearer(secret.env("ACME_API_KEY")), methods = ["GET"]),`
	readWrite = `route("/api/", upstream = "https://api/private", auth = bearer(secret.env("ACME_API_KEY"))),`
)

// TestApply edits the script of a running launch: what it takes away is closed, also
// to what runs on it; what it adds is open, with a secret that only the command that
// applies it has; what it moves changes nothing.
func TestApply(t *testing.T) {
	t.Parallel()
	l := live(t, peer(t), readOnly)
	l.want("GET "+route+"/whoami", "200 GET api")
	l.want("POST "+route+"/sink x", "403")
	l.refused("GET https://other/whoami")

	second := filepath.Join(l.dir, "second")
	must(t, os.WriteFile(second, []byte(canary+"\n"), 0o600))
	l.write(readWrite+`route("/second/", upstream = "https://third/private", auth = bearer(secret.file("second")))`, `"world", "other"`, "")
	l.apply(0, "+ may reach   other", "/second/", "applied to "+l.name)
	l.want("POST "+route+"/sink x", "200 1")
	l.want("GET "+route[:len(route)-3]+"second/whoami", "200 GET third")
	l.want("GET https://other/whoami", "200 GET other")

	if got := l.tell("HOLD " + route[:len(route)-3] + "second/events?n=1&id=1"); got != "holding 200" {
		t.Fatal(got)
	}
	if got := l.tell("HOLD https://other/events?n=1&id=2"); got != "holding 200" {
		t.Fatal(got)
	}
	if got := l.tell("HOLD " + route + "/events?n=1&id=3"); got != "holding 200" {
		t.Fatal(got)
	}
	l.write("\n\n"+readOnly, `"world"`, "") // two lines down
	l.apply(0, "- may reach   other", "- credential")
	for range 3 { // the route that stays has lost its POST: it is another one
		if got := l.hear("what was held"); got != "let go" {
			t.Error(got)
		}
	}
	l.want("GET "+route[:len(route)-3]+"second/whoami", "404")
	l.refused("GET https://other/whoami")
	l.want("POST "+route+"/sink x", "403")

	if got := l.tell("HOLD " + route + "/events?n=2&id=4"); got != "holding 200" {
		t.Fatal(got)
	}
	l.write("\n\n\n"+readOnly, `"world"`, "")
	l.apply(0, "nothing changes")
	l.write("\n\n\n"+readOnly, `"world", "other"`, "")
	l.apply(0)
	l.want("GET "+route+"/whoami", "200") // and nothing was let go in between
	l.used()
}

// used looks at the launch from outside.
func (l *lively) used() {
	l.t.Helper()
	code, out := l.bottle("routes", l.name, "--json")
	var routes []struct {
		Sidecar, Path, Reason string
		Used, Refused         int
		Methods               []string
		Auth                  struct{ Secret string }
	}
	if err := json.Unmarshal([]byte(out), &routes); err != nil || code != 0 || len(routes) != 1 {
		l.t.Fatalf("routes: status %d, %v\n%s", code, err, out)
	}
	r := routes[0]
	// Let through: two GETs and a POST. Refused: two POSTs, and what was held by a
	// route that changed.
	if r.Path != "/api/" || r.Sidecar != "cred-proxy" || r.Auth.Secret != `secret.env("ACME_API_KEY")` || r.Used != 3 || r.Refused != 3 || len(r.Methods) != 1 {
		l.t.Errorf("routes: %+v", r)
	}
	if code, out := l.bottle("routes", l.name); code != 0 || !strings.Contains(out, "/api/  https://api/private  secret.env(\"ACME_API_KEY\")  GET") {
		l.t.Errorf("routes: status %d\n%s", code, out)
	}
	if code, out := l.bottle("ps"); code != 0 || !strings.Contains(out, l.name+"  running") || !strings.Contains(out, l.script) {
		l.t.Errorf("ps: status %d\n%s", code, out)
	}
	if code, out := l.bottle("__complete", "routes", ""); code != 0 || !strings.Contains(out, l.name+"\n") {
		l.t.Errorf("completion: status %d\n%s", code, out)
	}
	if code, _ := l.bottle("routes", "no-such-launch"); code != 2 {
		l.t.Errorf("routes of no launch: exit status %d", code)
	}
	digest := strings.TrimSpace(out2(l.bottle("plan", l.script, "--arg", "key="+canary, "--json")))
	inForce, err := os.ReadFile(filepath.Join(l.state(), "plan.json"))
	if err != nil || digest != string(inForce) {
		l.t.Errorf("the plan in the journal is not that of the script: %v", err)
	}
}

func out2(_ int, out string) string { return out }

// state is the launch's directory.
func (l *lively) state() string {
	for _, env := range slices.Backward(l.cmd.Env) {
		if dir, ok := strings.CutPrefix(env, "XDG_STATE_HOME="); ok {
			return filepath.Join(dir, "bottle", l.name)
		}
	}
	return ""
}

// TestApplyRefused tries changes that cannot be made. Each is named, and nothing
// changes, not even for a moment.
func TestApplyRefused(t *testing.T) {
	t.Parallel()
	l := live(t, peer(t), readOnly)
	l.want("GET "+route+"/whoami", "200 GET api")
	held := l.tell("HOLD " + route + "/events?n=1&id=1")

	l.write(readWrite, `"world"`, `, env = {"A": "b"}, memory = "1g"`)
	l.apply(125, "container:agent: env, limits", "cannot change while")
	l.write(readWrite, `"world"`, `, user = "1"`)
	l.apply(125, "live.star:", "container:agent: user")
	l.write(readWrite+`route("/b/", upstream = "https://other", auth = bearer(secret.env("NO_SUCH"))), route("/c/", upstream = "https://other", auth = bearer(secret.file("none")))`, `"world"`, "")
	l.apply(125, `secret.env("NO_SUCH"): is not set`, `secret.file("none")`, "nothing has changed")
	l.write(`route("/api", upstream = "ftp://x")`, `"world"`, "")
	l.apply(2, "live.star:")

	// A table that only the sidecar finds wrong, after the gate has taken its part:
	// the gate goes back.
	l.write(readWrite, `"world", "other"`, "")
	err := l.call(func(c *running.Change) {
		c.Steps = append([]running.Step{{Container: "container:pipelock"}, {Container: "container:cred-proxy", Interim: []byte(`{"listen":":9099","routes":[]}`)}}, c.Steps...)
	})
	if err == nil || !strings.Contains(err.Error(), "no routes") || !strings.Contains(err.Error(), "nothing has changed") {
		t.Errorf("a bad table: %v", err)
	}
	l.refused("GET https://other/whoami")
	l.want("POST "+route+"/sink x", "403")
	if err := l.call(func(c *running.Change) { c.From = "sha256:0" }); err == nil || !strings.Contains(err.Error(), "changed meanwhile") {
		t.Errorf("a change of another plan: %v", err)
	}
	l.want("GET "+route+"/whoami", "200 GET api")
	if held != "holding 200" || len(l.lines) > 0 {
		t.Errorf("what was held (%s) was let go", held)
	}
	l.apply(0) // and now the good one
	if got := l.hear("what was held"); got != "let go" {
		t.Error(got)
	}
	l.want("POST "+route+"/sink x", "200 1")
}

// call asks the launcher directly, as a bottle that is wrong would.
func (l *lively) call(wrong func(*running.Change)) error {
	l.t.Helper()
	old, err := os.ReadFile(filepath.Join(l.state(), "plan.json"))
	must(l.t, err)
	_, next := l.bottle("plan", l.script, "--arg", "key="+canary, "--json")
	diff, err := plan.Compare(old, []byte(next))
	must(l.t, err)
	c := running.Change{From: diff.From, Plan: []byte(next)}
	for id := range diff.Inputs {
		c.Steps = append(c.Steps, running.Step{Container: id})
	}
	wrong(&c)
	return control.Call(l.t.Context(), l.state(), "apply", c, nil)
}
