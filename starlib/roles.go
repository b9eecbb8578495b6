package starlib

import (
	"encoding/json"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/bottle-run/bottle/runtime/plan"
)

// placeholder is what a tool gets for the key that it insists on.
const placeholder = "bottle-holds-the-key"

// A role is a way in which a tool finds a route.
type role struct {
	name string
	// many is whether several routes of an agent may have it.
	many bool
	// https is whether the tool asks https://cred-proxy, which a gate answers.
	https bool
	// follows is whether the tool follows the upstream's own URLs, which are then
	// led to the route.
	follows bool
	// wire adds to an agent what the tool reads.
	wire func(w *wiring, t tool)
}

// A tool is what a role knows of its route.
type tool struct {
	route  *route
	url    string // "http://cred-proxy:9099/npm", without a slash at the end
	secure string // the same in https where a gate answers it, else url
	host   string // of the upstream
	path   string // of the upstream, without a slash at the end
}

// roles is the table. Variables come before files: they mix with what an image has,
// and leave nothing behind.
func roles() []role {
	return []role{
		// https://docs.anthropic.com/en/docs/claude-code/llm-gateway
		{name: "anthropic-base-url", wire: func(w *wiring, t tool) {
			w.set(t, "ANTHROPIC_BASE_URL", t.url)
			w.set(t, "ANTHROPIC_AUTH_TOKEN", placeholder)
		}},
		// https://platform.openai.com/docs/libraries: the version is in the URL's path.
		{name: "openai-base-url", wire: func(w *wiring, t tool) {
			url := t.url
			if !strings.HasSuffix(t.path, "/v1") {
				url += "/v1"
			}
			w.set(t, "OPENAI_BASE_URL", url)
			w.set(t, "OPENAI_API_KEY", placeholder)
		}},
		// https://googleapis.github.io/js-genai; https because gemini-cli refuses another
		// scheme for all but localhost (github.com/google-gemini/gemini-cli/pull/25357).
		{name: "gemini-base-url", wire: func(w *wiring, t tool) {
			w.set(t, "GOOGLE_GEMINI_BASE_URL", t.secure)
			w.set(t, "GEMINI_API_KEY", placeholder)
		}},
		// https://docs.npmjs.com/cli/v10/using-npm/config: npm_config_… are its variables,
		// replace-registry-host leads the tarballs' URLs to the registry. A publish is
		// not even tried without a token, and variables cannot spell its key
		// (https://docs.npmjs.com/cli/v10/configuring-npm/npmrc, "Auth related configuration").
		{name: "npm-registry", follows: true, wire: func(w *wiring, t tool) {
			w.set(t, "npm_config_registry", t.url+"/")
			w.set(t, "npm_config_replace_registry_host", "always")
			w.file("~/.npmrc", plan.PresentPrepend, strings.TrimPrefix(t.url, "http:")+"/:_authToken="+placeholder+"\n")
		}},
		// https://pip.pypa.io/en/stable/topics/configuration/#environment-variables; a plain
		// http index has to be trusted. https://docs.astral.sh/uv/reference/environment/.
		{name: "pip-index", follows: true, wire: func(w *wiring, t tool) {
			w.set(t, "PIP_INDEX_URL", t.url+"/")
			w.set(t, "PIP_TRUSTED_HOST", credProxyHost)
			w.set(t, "UV_DEFAULT_INDEX", t.url+"/")
		}},
		// https://doc.rust-lang.org/cargo/reference/source-replacement.html: no variable does
		// it. The root's .cargo is above every directory and is merged with $CARGO_HOME,
		// wherever that is (…/reference/config.html#hierarchical-structure).
		{name: "cargo-registry", follows: true, wire: func(w *wiring, t tool) {
			w.file("/.cargo/config.toml", plan.PresentRefuse, "[source.crates-io]\nreplace-with = \"bottle\"\n\n[source.bottle]\nregistry = "+quoted("sparse+"+t.url+"/")+"\n")
		}},
		// https://go.dev/ref/mod#environment-variables. The checksum database is asked
		// through the proxy where that offers it (#checksum-database).
		{name: "go-proxy", wire: func(w *wiring, t tool) { w.set(t, "GOPROXY", t.url) }},
		// https://git-scm.com/docs/git-config, "url.<base>.insteadOf" and GIT_CONFIG_COUNT.
		{name: "git-insteadof", many: true, wire: func(w *wiring, t tool) {
			w.put("GIT_TERMINAL_PROMPT", "0") // who asks for a password has no route
			for _, from := range spellings(t.host, t.path) {
				w.git = append(w.git, plan.Setting{Key: "url." + t.url + "/.insteadOf", Value: from})
			}
		}},
		// https://cli.github.com/manual/gh_help_environment. A host that is not github.com is
		// asked at /api/v3/ and /api/graphql, in https only (github.com/cli/go-gh, pkg/api).
		{name: "gh-host", https: true, follows: true, wire: func(w *wiring, t tool) {
			w.set(t, "GH_HOST", credProxyHost)
			w.set(t, "GH_ENTERPRISE_TOKEN", placeholder)
			w.put("GH_NO_UPDATE_NOTIFIER", "1")
		}},
		// https://gitea.com/gitea/tea, modules/config: config.yml below XDG_CONFIG_HOME/tea.
		{name: "tea-login", many: true, wire: func(w *wiring, t tool) { w.login(t) }},
		// https://github.com/opencontainers/distribution-spec, "Endpoints": /v2/ is at the root
		// of the host, and clients ask in https. They find images under their own names,
		// for the gate answers for the registry, and as cred-proxy/….
		{name: "docker-registry", https: true, follows: true, wire: func(*wiring, tool) {}},
	}
}

// spellings are the URLs by which people name repositories of a host: https, ssh,
// and the short form of scp, which git rewrites just the same.
func spellings(host, path string) []string {
	name, _, _ := strings.Cut(host, ":")
	return []string{
		"https://" + host + path + "/",
		"ssh://git@" + name + path + "/",
		"git@" + name + ":" + strings.TrimPrefix(path+"/", "/"),
	}
}

// quoted is a string as JSON, TOML and YAML write it, on one line: the last two
// read every escape that the first one has.
func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string
	}
	return strings.ReplaceAll(string(b), "\x7f", `\u007f`)
}

func roleNames() []string {
	var names []string
	for _, r := range roles() {
		names = append(names, r.name)
	}
	return names
}

func roleOf(name string) role {
	all := roles()
	if i := slices.IndexFunc(all, func(r role) bool { return r.name == name }); i >= 0 {
		return all[i]
	}
	variable := strings.TrimPrefix(name, "env:")
	return role{name: name, wire: func(w *wiring, t tool) { w.set(t, variable, t.url) }}
}

// rolesOf reads roles, a string or a list, of the route r.
func rolesOf(c *call, r *route) []string {
	var out []string
	if s, ok := starlark.AsString(c.args["roles"]); ok {
		out = []string{s}
	} else {
		out = c.strs("roles")
	}
	for i, name := range out {
		variable, env := strings.CutPrefix(name, "env:")
		switch {
		case env && (variable == "" || strings.Trim(variable, variableName) != ""):
			c.wrong("roles", "%q is not the name of a variable", variable)
		case env && gateEnv(false)[variable] != "":
			c.wrong("roles", "%s is set by bottle, so that the container finds the gate and trusts its certificates", variable)
		case !env && !slices.Contains(roleNames(), name):
			c.wrong("roles", "%q is not a role%s; there are %s and env:NAME", name, didYouMean(name, roleNames()), strings.Join(roleNames(), ", "))
		case slices.Contains(out[:i], name):
			c.wrong("roles", "%q stands twice", name)
		}
	}
	// The path becomes part of files and lists of many formats.
	if len(out) > 0 && strings.Trim(r.Path, plainPath) != "" {
		c.wrong("roles", "the path %q has characters that not every tool reads alike; a route with roles has letters, digits and \"-._\" alone", r.Path)
	}
	return out
}

const (
	variableName = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./"
	plainPath    = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._/"
)
