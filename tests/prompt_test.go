package tests_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/term"
)

// prompting is a launch with two secrets that somebody types, whose agent uses both.
func prompting(t *testing.T) *session {
	t.Helper()
	dir := peer(t)
	script := filepath.Join(dir, "prompt.star")
	routes := `
    route("/a/", upstream = "https://api/private", auth = bearer(secret.prompt("the first key"))),
    route("/b/", upstream = "https://other/private", auth = bearer(secret.prompt("the second key"))),
`
	text := strings.ReplaceAll(fmt.Sprintf(liveScript, routes, `"world"`, ""), "obey", "check")
	must(t, os.WriteFile(script, []byte(text), 0o600))
	return launchScript(t, t.Context(), script, []string{"CI="}, "--arg", "key="+canary, "--",
		"get=http://cred-proxy:9099/a/whoami", "get=http://cred-proxy:9099/b/whoami")
}

// TestPrompts types the secrets of a launch: one after the other, before anything is
// made, and not to be seen.
func TestPrompts(t *testing.T) {
	t.Parallel()
	c := onScreen(prompting(t))
	for _, label := range []string{"the first key: ", "the second key: "} {
		c.see(label)
		if left := c.left(); left != "" {
			t.Errorf("asked when there was something already: %s", left)
		}
		_, err := c.ptmx.WriteString(canary + "\r")
		must(t, err)
	}
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, c)
	}
	c.gone()
	for _, want := range []string{"a/whoami: 200", "b/whoami: 200"} {
		if !strings.Contains(c.String(), want) {
			t.Errorf("the agent did not get %q:\n%s", want, c)
		}
	}
	if strings.Contains(c.String(), canary) {
		t.Errorf("the screen shows what was typed:\n%s", c)
	}
}

// TestPromptInterrupted gives up at a prompt: no launch, and a terminal that shows
// again what is typed.
func TestPromptInterrupted(t *testing.T) {
	c := onScreen(prompting(t))
	c.see("the first key: ")
	before, err := term.GetState(int(c.tty.Fd()))
	must(t, err)
	_, err = c.ptmx.WriteString("\x03")
	must(t, err)
	_ = c.cmd.Wait()
	if code := c.cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit status %d\n%s", code, c)
	}
	after, err := term.GetState(int(c.tty.Fd()))
	must(t, err)
	if reflect.DeepEqual(before, after) { // at the prompt it did not echo
		t.Error("the terminal is left as it was at the prompt")
	}
	c.gone()
}

// TestPromptWithoutTerminal: where nobody can type, every secret that would have to
// be typed is named, and there is no launch. The same in CI, whatever is there.
func TestPromptWithoutTerminal(t *testing.T) {
	s := prompting(t)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // without a controlling terminal
	_ = s.cmd.Run()
	want := func(code int, text string) {
		t.Helper()
		if code != 125 || strings.Count(text, "no terminal to ask at") != 2 || !strings.Contains(text, `secret.prompt("the second key")`) {
			t.Errorf("exit status %d:\n%s", code, text)
		}
	}
	want(s.cmd.ProcessState.ExitCode(), s.err.String())
	s.gone()
	ci := prompting(t)
	ci.cmd.Env = append(ci.cmd.Env, "CI=1")
	c := onScreen(ci)
	_ = c.cmd.Wait()
	c.see("(\"the second key\"): must be typed")
	want(c.cmd.ProcessState.ExitCode(), c.String())
}
