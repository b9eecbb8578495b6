package starlib_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/starlib"
)

// TestManual holds the manual of the language to the table of builtins, which is
// what unpacks their arguments.
func TestManual(t *testing.T) {
	const file = "../docs/script.md"
	const marker = "-->\n"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, _, ok := strings.Cut(string(data), marker)
	if !ok {
		t.Fatalf("%s has no %q", file, marker)
	}
	var b strings.Builder
	b.WriteString(head + marker)
	for _, fn := range starlib.Builtins() {
		fmt.Fprintf(&b, "\n### %s\n\n    %s\n\n%s\n", fn.FullName(), fn.Signature(), fn.Doc)
		if len(fn.Params) > 0 {
			b.WriteString("\n| parameter | type | |\n|---|---|---|\n")
		}
		for _, p := range fn.Params {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", p.Name, p.Type, strings.ReplaceAll(p.Doc, "|", `\|`))
		}
	}
	golden(t, file, b.String())
}

// TestTable: every builtin and every parameter says what it is, once, and what
// must be given stands before what may be.
func TestTable(t *testing.T) {
	var names []string
	for _, fn := range starlib.Builtins() {
		if slices.Contains(names, fn.FullName()) {
			t.Errorf("%s stands twice", fn.FullName())
		}
		names = append(names, fn.FullName())
		if fn.Doc == "" || !strings.HasSuffix(fn.Doc, ".") {
			t.Errorf("%s: the manual is %q", fn.FullName(), fn.Doc)
		}
		var params []string
		optional, keyword := false, false
		for _, p := range fn.Params {
			if slices.Contains(params, p.Name) || p.Type == "" || p.Doc == "" {
				t.Errorf("%s: %+v", fn.FullName(), p)
			}
			params = append(params, p.Name)
			if optional && p.Default == "" || keyword && !p.Keyword {
				t.Errorf("%s: %q is out of order", fn.FullName(), p.Name)
			}
			optional, keyword = p.Default != "", p.Keyword
		}
	}
	for _, want := range []string{
		"network", "cred_proxy", "route", "bearer", "token", "basic", "header", "query", "sigv4", "registry",
		"secret.env", "secret.file", "secret.command", "secret.keyring", "secret.prompt", "secret.oauth", "pipelock", "rule", "tcp", "excuse",
		"agent", "service", "image", "image_build", "image_rootfs", "mount", "volume", "tmpfs", "file", "param", "cred_proxy().url",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("there is no %s", want)
		}
	}
}

// TestDefaults: the default that the manual shows is the one that holds.
func TestDefaults(t *testing.T) {
	required := map[string]string{
		"cred_proxy": `routes = [route("/a/", "https://a.com")]`, "route": `path = "/a/", upstream = "https://a.com"`,
		"bearer": `secret = secret.env("A")`, "token": `secret = secret.env("A")`, "basic": `user = "u", secret = secret.env("A")`,
		"header": `name = "x-key", secret = secret.env("A")`, "secret.env": `name = "A"`, "secret.file": `path = "a"`,
		"query": `name = "key", secret = secret.env("A")`, "registry": `user = "u", secret = secret.env("A"), realm = "https://a.com/token"`,
		"sigv4":          `access_key = secret.env("A"), secret = secret.env("B"), region = "r", service = "s"`,
		"secret.keyring": `service = "s", user = "u"`, "secret.prompt": `label = "l"`,
		"secret.oauth":   `token_url = "https://a.com/token", refresh_token = secret.env("A"), client_id = "c"`,
		"secret.command": `argv = ["a"]`, "rule": `host = "a.com"`, "tcp": `host = "a.com", port = 22`, "excuse": `rule = "jwt"`, "agent": `image = "i"`, "service": `name = "s", image = "i"`,
		"image": `ref = "i"`, "image_build": `context = "."`, "image_rootfs": `tar = "a.tar"`, "mount": `source = ".", target = "/w"`,
		"volume": `target = "/w"`, "tmpfs": `target = "/w"`, "file": `path = "/f", content = "x"`, "param": `name = "p", default = "x"`,
	}
	wrap := map[string]string{ // so that what it returns is in the plan
		"route": `cred_proxy([%s])`, "rule": `pipelock([%s])`, "tcp": `pipelock([%s])`, "excuse": `pipelock(dlp_allow = [%s])`, "file": `service("x", "i", files = [%s])`,
		"mount": `service("x", "i", mounts = [%s])`, "volume": `service("x", "i", mounts = [%s])`, "tmpfs": `service("x", "i", mounts = [%s])`,
		"image": `service("x", %s)`, "image_build": `service("x", %s)`, "image_rootfs": `service("x", %s)`, "param": `service(%s, "i")`,
		"secret.command": `cred_proxy([route("/a/", "https://a.com", bearer(%s))])`,
		"secret.oauth":   `cred_proxy([route("/a/", "https://a.com", bearer(%s))])`,
		"sigv4":          `cred_proxy([route("/a/", "https://a.com", %s)])`,
	}
	for _, fn := range starlib.Builtins() {
		if strings.Contains(fn.Module, "()") {
			continue
		}
		var implicit, explicit []string
		if r := required[fn.FullName()]; r != "" {
			implicit = append(implicit, r)
		}
		explicit = slices.Clone(implicit)
		for _, p := range fn.Params {
			if p.Default != "" && !strings.Contains(required[fn.FullName()], p.Name+" = ") {
				explicit = append(explicit, p.Name+" = "+p.Default)
			}
		}
		plans := make([]string, 2)
		for i, args := range [][]string{implicit, explicit} {
			call := fn.FullName() + "(" + strings.Join(args, ", ") + ")"
			if w := wrap[fn.FullName()]; w != "" {
				call = fmt.Sprintf(w, call)
			}
			call += "\n"
			if fn.Name != "agent" {
				call += `agent("i")`
			}
			l, err := eval(t, call, nil)
			if err != nil {
				t.Errorf("%s: %s", call, mistake(t, err).Detail())
				continue
			}
			// The places of what follows are the same: the call is one line.
			plans[i] = indented(t, l.Plan)
		}
		if plans[0] != plans[1] {
			t.Errorf("%s: the defaults of the manual give another plan\n%s\n%s", fn.FullName(), plans[0], plans[1])
		}
	}
}
