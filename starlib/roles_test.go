package starlib_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"gopkg.in/yaml.v3"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/starlib"
)

// agentOf returns the agent's container of a script that must be fine.
func agentOf(tb testing.TB, script string) plan.Container {
	tb.Helper()
	l, err := eval(tb, script, nil)
	if err != nil {
		tb.Fatal(mistake(tb, err).Detail())
	}
	c, _ := l.Plan.Node("container:agent").Op.(plan.Container)
	return c
}

func fileOf(tb testing.TB, c plan.Container, path string) (plan.File, string) {
	tb.Helper()
	i := slices.IndexFunc(c.Files, func(f plan.File) bool { return f.Path == path })
	if i < 0 {
		tb.Fatalf("no file %s", path)
	}
	data, _ := c.Files[i].Source.(plan.Literal)
	return c.Files[i], string(data)
}

// TestRoleFiles: what the roles write says to its readers what it should.
func TestRoleFiles(t *testing.T) {
	c := agentOf(t, `cred_proxy([
    route("/npm/", "https://npm.corp", roles = "npm-registry"),
    route("/crates/", "https://crates.corp/index", roles = "cargo-registry"),
    route("/one/", "https://gitea.corp", roles = "tea-login"),
    route("/two/", "https://gitea.example", roles = "tea-login"),
], port = 9100)
agent("i")`)
	f, text := fileOf(t, c, "~/.npmrc")
	if want := "//cred-proxy:9100/npm/:_authToken=bottle-holds-the-key\n"; text != want || f.Present != plan.PresentPrepend || f.Mode != 0o600 {
		t.Errorf("%+v: %q, want %q", f, text, want)
	}
	f, text = fileOf(t, c, "/.cargo/config.toml")
	var cargo map[string]any
	if err := toml.Unmarshal([]byte(text), &cargo); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(cargo), "map[source:map[bottle:map[registry:sparse+http://cred-proxy:9100/crates/] crates-io:map[replace-with:bottle]]]"; got != want || f.Present != plan.PresentRefuse {
		t.Errorf("cargo reads %s, want %s", got, want)
	}
	f, text = fileOf(t, c, "~/.config/tea/config.yml")
	var tea struct {
		Logins []struct {
			Name, URL, Token string
			Default          bool
		}
	}
	if err := yaml.Unmarshal([]byte(text), &tea); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(tea.Logins), "[{one http://cred-proxy:9100/one bottle-holds-the-key true} {two http://cred-proxy:9100/two bottle-holds-the-key false}]"; got != want || f.Present != plan.PresentRefuse {
		t.Errorf("tea reads %s, want %s", got, want)
	}
}

// TestScriptHolds: what the script says itself is not replaced by what a role says.
func TestScriptHolds(t *testing.T) {
	c := agentOf(t, `cred_proxy([route("/npm/", "https://npm.corp", roles = ["npm-registry", "env:URL"])])
agent("i", env = {"NPM_CONFIG_REGISTRY": "mine", "URL": "mine"}, files = [file("~/.npmrc", "mine")])`)
	if c.Env["URL"] != "mine" || c.Env["NPM_CONFIG_REGISTRY"] != "mine" || c.Env["npm_config_registry"] != "" {
		t.Errorf("env %v", c.Env)
	}
	if f, text := fileOf(t, c, "~/.npmrc"); text != "mine" || f.Present != "" || len(c.Files) != 1 {
		t.Errorf("%q in %v", text, c.Files)
	}
	if slices.Contains(c.Wired, "URL") || !slices.Contains(c.Wired, "npm_config_replace_registry_host") {
		t.Errorf("wired %v", c.Wired)
	}
}

// TestSpellings: git finds a route by every way in which people name its host.
func TestSpellings(t *testing.T) {
	for upstream, want := range map[string][]string{
		"https://github.com":           {"https://github.com/", "ssh://git@github.com/", "git@github.com:"},
		"https://GitHub.com/":          {"https://github.com/", "ssh://git@github.com/", "git@github.com:"},
		"https://git.corp:8443/a/team": {"https://git.corp:8443/a/team/", "ssh://git@git.corp/a/team/", "git@git.corp:a/team/"},
	} {
		c := agentOf(t, fmt.Sprintf("cred_proxy([route(\"/git/\", %q, roles = \"git-insteadof\")])\nagent(\"i\")", upstream))
		var got []string
		for _, s := range c.Git {
			if s.Key != "url.http://cred-proxy:9099/git/.insteadOf" {
				t.Errorf("key %s", s.Key)
			}
			got = append(got, s.Value)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", upstream, got, want)
		}
	}
}

// TestEveryoneElse: services hold no ticket and find no route.
func TestEveryoneElse(t *testing.T) {
	l, err := eval(t, `cred_proxy([route("/a/", "https://a.com", roles = "env:A")])
service("s", "i")
agent("i", routes = [])`, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := l.Plan.Node("container:s").Op.(plan.Container)
	a, _ := l.Plan.Node("container:agent").Op.(plan.Container)
	if s.Ticket != nil || len(s.Env) > 0 || a.Ticket == nil || len(a.Env) > 0 {
		t.Errorf("service %+v, agent %+v", s, a)
	}
}

// FuzzRoles: no path, host, name or user of a script breaks out of what is written for
// a tool: each file is read as the same structure, with the same number of values, as
// for a harmless script; each variable is one word of a URL; git gets as many settings.
func FuzzRoles(f *testing.F) {
	for _, s := range []string{"a", `a"b`, "a\nb", "a,direct", "a|b", "a b", "a'b", "a]b", "a=b", "a;b", "a#b", "%0a", "%22", "a\u2028b", "é", "~x", "-", ".", "..", "a/../b", "[x]", "${x}", "$(x)", "a\\b", "\x7f", "!x", "- x", "x: y", "{x}", "&x", "*x"} {
		f.Add(s, "host.corp", "base")
		f.Add("a", s+".corp", "base")
		f.Add("a", "host.corp", s)
	}
	roles := []string{"anthropic-base-url", "openai-base-url", "gemini-base-url", "npm-registry", "pip-index", "cargo-registry", "go-proxy", "git-insteadof", "gh-host", "tea-login", "docker-registry", "env:X"}
	f.Fuzz(func(t *testing.T, path, host, base string) {
		for i, role := range roles {
			upstream := "https://" + host + "/" + base
			if role == "gh-host" || role == "docker-registry" {
				upstream = "https://" + host
			}
			script := fmt.Sprintf("pipelock()\ncred_proxy([route(%s, %s, basic(\"u\", secret.env(\"A\")), roles = %q)])\nagent(\"i\")", strconv.Quote("/"+path+"/"), strconv.Quote(upstream), role)
			l, err := starlib.Eval(context.Background(), starlib.Options{FS: modules(t, script), Script: "launch.star"})
			if err != nil {
				_ = mistake(t, err)
				continue
			}
			accepted(t, l.Plan)
			c, _ := l.Plan.Node("container:agent").Op.(plan.Container)
			whole(t, c, i)
		}
	})
}

// whole reads what a role wrote.
func whole(t *testing.T, c plan.Container, role int) {
	t.Helper()
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._/:"
	for _, name := range c.Wired {
		if v := c.Env[name]; strings.Trim(v, plain) != "" && name != "NO_PROXY" && name != "no_proxy" {
			t.Errorf("role %d: %s=%q", role, name, v)
		}
	}
	if len(c.Git) != 0 && len(c.Git) != 3 {
		t.Errorf("role %d: %d settings of git", role, len(c.Git))
	}
	for _, s := range c.Git {
		if strings.ContainsAny(s.Key+s.Value, "\n\x00 ") || strings.Trim(strings.TrimSuffix(strings.TrimPrefix(s.Key, "url."), ".insteadOf"), plain) != "" {
			t.Errorf("role %d: %+v", role, s)
		}
	}
	for _, f := range c.Files {
		data, ok := f.Source.(plan.Literal)
		if !ok {
			continue
		}
		var parsed map[string]any
		var err error
		want := 2
		switch f.Path {
		case "~/.npmrc":
			if strings.Count(string(data), "\n") != 1 || strings.Count(string(data), "=") != 1 {
				t.Errorf("%s: %q", f.Path, data)
			}
			continue
		case "/.cargo/config.toml":
			err = toml.Unmarshal(data, &parsed)
		case "~/.config/tea/config.yml":
			err, want = yaml.Unmarshal(data, &parsed), 5
		default:
			t.Errorf("a file at %q", f.Path)
		}
		if err != nil || leaves(parsed) != want {
			t.Errorf("%s: %v, %d values in %q", f.Path, err, leaves(parsed), data)
		}
	}
}

// leaves counts the values of a parsed file.
func leaves(v any) int {
	n := 0
	switch v := v.(type) {
	case map[string]any:
		for x := range maps.Values(v) {
			n += leaves(x)
		}
	case []any:
		for _, x := range v {
			n += leaves(x)
		}
	default:
		return 1
	}
	return n
}
