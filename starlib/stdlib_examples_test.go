package starlib_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/credproxy"
	"github.com/bottle-run/bottle/starlib"
	"github.com/bottle-run/bottle/stdlib"
)

// example returns the script that a module shows at its head.
func example(tb testing.TB, name string) string {
	tb.Helper()
	src, err := fs.ReadFile(stdlib.FS, name)
	if err != nil {
		tb.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(src)) {
		code, indented := strings.CutPrefix(line, "    ")
		switch {
		case indented:
			lines = append(lines, code)
		case len(lines) > 0 && strings.TrimSpace(line) == "":
			lines = append(lines, "\n")
		case len(lines) > 0:
			return strings.TrimSpace(strings.Join(lines, "")) + "\n"
		}
	}
	tb.Fatalf("%s shows no example", name)
	return ""
}

// launch evaluates an example, with a URL for each parameter.
func launch(tb testing.TB, script string) *starlib.Launch {
	tb.Helper()
	o := starlib.Options{FS: modules(tb, script), Script: "launch.star", Args: map[string]string{}}
	for {
		params, _, err := starlib.Params(context.Background(), o)
		if err != nil {
			tb.Fatal(err)
		}
		before := len(o.Args)
		for _, p := range params {
			o.Args[p.Name] = "https://" + p.Name + ".acme.example/" + p.Name
		}
		if len(o.Args) == before {
			break
		}
	}
	l, err := starlib.Eval(context.Background(), o)
	if err != nil {
		tb.Fatal(mistake(tb, err).Detail())
	}
	return l
}

// TestStdlibExamples: what each module shows at its head is a launch of ten lines or
// so, which plans.
func TestStdlibExamples(t *testing.T) {
	names, err := fs.Glob(stdlib.FS, "*.star")
	if err != nil || len(names) < 13 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			script := example(t, name)
			if n := strings.Count(script, "\n"); n > 14 {
				t.Errorf("the example has %d lines", n)
			}
			l := launch(t, script)
			accepted(t, l.Plan)
			golden(t, filepath.Join("testdata/stdlib", strings.TrimSuffix(name, ".star")+".json"), indented(t, l.Plan))
		})
	}
}

// permits says what the cred-proxy of a plan says of a request.
func permits(tb testing.TB, p *plan.Plan, method, path string) bool {
	tb.Helper()
	c, _ := p.Node("container:cred-proxy").Op.(plan.Container)
	config, _ := c.Stdin[0].Source.(plan.Literal)
	var table credproxy.Config
	if err := json.Unmarshal(config, &table); err != nil {
		tb.Fatal(err)
	}
	var best *credproxy.Route
	for i := range table.Routes {
		r := &table.Routes[i]
		if (strings.HasPrefix(path, r.Path) || path+"/" == r.Path) && (best == nil || len(r.Path) > len(best.Path)) {
			best = r
		}
	}
	if best == nil || len(best.Methods) > 0 && !slices.Contains(best.Methods, method) {
		return false
	}
	rest := "/" + strings.TrimPrefix(path+"/", best.Path)
	if rest != "/" {
		rest = strings.TrimSuffix(rest, "/")
	}
	return len(best.Paths) == 0 || slices.ContainsFunc(best.Paths, func(g string) bool { return sidecar.MatchPath(g, rest) })
}

// TestStdlibIsNarrow: the routes of the modules let through what a task needs, and
// nothing that makes or shows a credential, merges, or is of another repository.
func TestStdlibIsNarrow(t *testing.T) {
	for script, test := range map[string]struct{ may, mayNot []string }{
		`load("@stdlib//github.star", "github")
cred_proxy(github("acme/shop", secret.env("T"), push = ["refs/heads/agent/*"], write = ["issues", "pulls"]))`: {
			[]string{
				"GET /github/acme/shop/info/refs", "POST /github/acme/shop.git/git-upload-pack", "POST /github/acme/shop/git-receive-pack",
				"GET /api/v3/repos/acme/shop", "GET /api/v3/repos/acme/shop/contents/a/b", "GET /api/v3/repos/acme/shop/pulls/1/files", "GET /api/v3/repos/acme/shop/pulls",
				"POST /api/v3/repos/acme/shop/pulls", "PATCH /api/v3/repos/acme/shop/pulls/1", "POST /api/v3/repos/acme/shop/issues/1/comments", "GET /api/v3/repos/acme/shop/actions/runs/1/logs",
			},
			[]string{
				"GET /github/acme/shop2/info/refs", "GET /github/acme/shop/settings", "GET /github/settings/tokens/new", "DELETE /github/acme/shop/info/refs",
				"GET /api/v3/user", "GET /api/v3/repos/acme/other", "POST /api/v3/repos/acme/shop/keys", "POST /api/v3/repos/acme/shop/hooks", "GET /api/v3/repos/acme/shop/hooks",
				"GET /api/v3/repos/acme/shop/secret-scanning/alerts", "PUT /api/v3/repos/acme/shop/pulls/1/merge", "PUT /api/v3/repos/acme/shop/actions/secrets/X", "GET /api/v3/repos/acme/shop/actions/secrets",
				"POST /api/v3/repos/acme/shop/actions/runners/registration-token", "POST /api/v3/repos/acme/shop/git/refs", "PUT /api/v3/repos/acme/shop/contents/.github/workflows/x.yml",
				"POST /api/v3/app/installations/1/access_tokens", "POST /api/v3/gists", "PATCH /api/v3/repos/acme/shop", "POST /api/v3/repos/acme/shop/dispatches", "POST /api/graphql",
			},
		},
		`load("@stdlib//github.star", "github", "GH_READ")
cred_proxy(github("acme/shop", secret.env("T"), graphql = GH_READ, max_requests = 10))`: {
			[]string{"POST /api/graphql", "GET /api/v3/repos/acme/shop/issues"},
			[]string{"GET /api/graphql", "POST /api/v3/repos/acme/shop/issues", "POST /github/acme/shop/git-receive-pack"},
		},
		`load("@stdlib//gitlab.star", "gitlab")
cred_proxy(gitlab("acme/deep/shop", secret.env("T"), id = 7, push = ["refs/heads/agent/*"], write = ["issues", "merge_requests"]))`: {
			[]string{
				"GET /gitlab/acme/deep/shop.git/info/refs", "POST /gitlab/acme/deep/shop.git/git-receive-pack", "GET /gitlab-api/projects/7", "GET /gitlab-api/projects/7/repository/tree",
				"POST /gitlab-api/projects/7/issues", "POST /gitlab-api/projects/7/merge_requests/1/notes", "GET /gitlab-api/projects/7/merge_requests/1",
			},
			[]string{
				"GET /gitlab-api/projects/8", "GET /gitlab-api/projects/7/variables", "POST /gitlab-api/projects/7/access_tokens", "POST /gitlab-api/projects/7/deploy_tokens", "POST /gitlab-api/projects/7/deploy_keys",
				"POST /gitlab-api/projects/7/hooks", "POST /gitlab-api/projects/7/triggers", "PUT /gitlab-api/projects/7/merge_requests/1/merge", "POST /gitlab-api/projects/7/merge_requests/1/approve",
				"GET /gitlab-api/user", "POST /gitlab-api/personal_access_tokens", "POST /gitlab-api/projects/7/repository/commits", "GET /gitlab/acme/deep/info/refs",
			},
		},
		`load("@stdlib//gitea.star", "gitea")
cred_proxy(gitea("https://git.acme.example/", "acme/shop", secret.env("T"), write = ["issues", "pulls"]))`: {
			[]string{"GET /gitea/api/v1/version", "GET /gitea/api/v1/repos/acme/shop/pulls", "POST /gitea/api/v1/repos/acme/shop/pulls", "POST /gitea/api/v1/repos/acme/shop/issues/1/comments", "PATCH /gitea/api/v1/repos/acme/shop/pulls/1", "GET /gitea-git/acme/shop.git/info/refs"},
			[]string{
				"POST /gitea/api/v1/repos/acme/shop/pulls/1/merge", "POST /gitea/api/v1/repos/acme/shop/keys", "POST /gitea/api/v1/users/me/tokens", "POST /gitea/api/v1/user/keys", "GET /gitea/api/v1/repos/acme/other",
				"POST /gitea/api/v1/repos/acme/shop/hooks", "POST /gitea/api/v1/repos/acme/shop/contents/x", "GET /gitea/api/v1/admin/users", "POST /gitea-git/acme/shop.git/git-receive-pack", "GET /gitea-git/user/settings/applications",
			},
		},
		`load("@stdlib//npm.star", "npm")
cred_proxy(npm("https://npm.acme.example", secret.env("T")))`: {
			[]string{"GET /npm/left-pad", "GET /npm/@a%2fb", "GET /npm/left-pad/-/left-pad-1.0.0.tgz"},
			[]string{"PUT /npm/left-pad", "POST /npm/-/npm/v1/tokens", "PUT /npm/-/user/org.couchdb.user:x", "DELETE /npm/left-pad"},
		},
		`load("@stdlib//anthropic.star", "anthropic")
load("@stdlib//openai.star", "openai")
cred_proxy(anthropic() + openai())`: {
			[]string{"POST /anthropic/v1/messages", "GET /anthropic/v1/models", "POST /openai/v1/responses", "GET /openai/v1/responses/x", "POST /openai/v1/chat/completions"},
			[]string{"POST /anthropic/v1/organizations/api_keys", "POST /anthropic/v1/files", "POST /anthropic/v1/messages/batches", "POST /openai/v1/organization/admin_api_keys", "POST /openai/v1/files", "POST /openai/v1/realtime/client_secrets"},
		},
		`load("@stdlib//aws.star", "s3")
cred_proxy(s3("data", "eu-central-1"))`: {
			[]string{"GET /aws-s3/data", "GET /aws-s3/data/a/b", "HEAD /aws-s3/data/x"},
			[]string{"PUT /aws-s3/data/x", "GET /aws-s3/other/x", "GET /aws-s3/", "POST /aws-s3/data"},
		},
		`load("@stdlib//pypi.star", "pypi")
load("@stdlib//cargo.star", "cargo")
load("@stdlib//golang.star", "golang")
cred_proxy(pypi("https://p.acme.example/simple", files = ["https://p.acme.example/packages"]) + cargo("https://c.acme.example") + golang("https://g.acme.example"))`: {
			[]string{"GET /pypi/simple/pandas/", "GET /pypi/packages/x/y.whl", "GET /cargo/config.json", "GET /go/golang.org/x/net/@v/list"},
			[]string{"POST /pypi/simple/", "PUT /cargo/api/v1/crates/new", "POST /go/x", "GET /pypi/account"},
		},
	} {
		l, err := eval(t, script+"\npipelock()\nagent(\"i\")\n", nil)
		if err != nil {
			t.Error(mistake(t, err).Detail())
			continue
		}
		for _, ask := range test.may {
			if method, path, _ := strings.Cut(ask, " "); !permits(t, l.Plan, method, path) {
				t.Errorf("%s\nrefuses %s", script, ask)
			}
		}
		for _, ask := range test.mayNot {
			if method, path, _ := strings.Cut(ask, " "); permits(t, l.Plan, method, path) {
				t.Errorf("%s\nlets %s through", script, ask)
			}
		}
	}
}

// TestStdlibMistakes: what cannot be meant is said, with the place in the script.
func TestStdlibMistakes(t *testing.T) {
	for script, want := range map[string]string{
		`load("@stdlib//github.star", "github")` + "\ngithub(\"shop\", secret.env(\"T\"))":                               `"shop" is not a repository; write "owner/name"`,
		`load("@stdlib//github.star", "github")` + "\ngithub(\"a/b\", secret.env(\"T\"), write = [\"actions\"])":         `"actions" is not what can be written`,
		`load("@stdlib//gitlab.star", "gitlab")` + "\ngitlab(\"shop\", secret.env(\"T\"))":                               `write "group/name"`,
		`load("@stdlib//gitea.star", "gitea")` + "\ngitea(\"https://a.com\", \"a/b/c\", secret.env(\"T\"))":              `write "owner/name"`,
		`load("@stdlib//aws.star", "aws")` + "\naws(\"sts\", \"eu-central-1\")":                                          "sts makes or shows credentials",
		`load("@stdlib//pypi.star", "pypi")` + "\npypi(\"simple\")":                                                      `"simple" is not a URL`,
		`load("@stdlib//github.star", "github")` + "\ngithub(\"a/b\", \"ghp_x\")":                                        "a script holds no secrets",
		`load("@stdlib//golang.star", "golang")` + "\ncred_proxy(golang(\"https://a.com,https://b.com\"))\nagent(\"i\")": `has the character ','`,
	} {
		_, err := eval(t, script, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", script, err, want)
		}
	}
}
