package cmd_test

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/bottle-run/bottle/cmd"
	"github.com/bottle-run/bottle/starlib"
)

// TestPreflight: who is asked whether to launch sees every bound of a route, and who
// may use it.
func TestPreflight(t *testing.T) {
	const script = `pipelock([tcp("db.corp", 5432, uses = 3), rule("a.com", rate = "5/m", bytes = "1k", for_ = "1h", dlp = "warn")], dlp_allow = [excuse("jwt", host = "a.com", hash = "0123456789abcdef")])
git = route("/git/", "https://github.com", basic("x", secret.env("GIT")), push = ["refs/heads/agent/*"], protect = [".github/**"], max_bytes = "10m", rate = "60/m", for_ = "10m", uses = 5, max_requests = 7)
api = route("/api/graphql/", "https://api.github.com/graphql", bearer(secret.env("API")), operations = ["query.viewer"], methods = ["POST"])
images = route("/v2/", "https://images.corp/v2", registry("me", secret.env("REG"), realm = "https://auth.corp/token"))
s3 = route("/s3/", "https://s3.corp", sigv4(secret.env("ID"), secret.env("KEY"), region = "r", service = "s3"), push = ["refs/heads/x"], scan = False)
cred_proxy([git, api, images, s3, route("/open/", "https://open.corp")])
agent("i", name = "one", routes = [git, api])
agent("i", name = "two", routes = [git, "\n/s3/"[1:]])
`
	l, err := starlib.Eval(context.Background(), starlib.Options{FS: fstest.MapFS{"launch.star": {Data: []byte(script)}}, Script: "launch.star"})
	if err != nil {
		t.Fatal(err)
	}
	text := cmd.DescribePlan(l.Plan, "x")
	for _, want := range []string{
		"a.com 5 requests in 60 s 1024 bytes in all for 3600 s\n",
		"db.corp ports [5432] 3 times: what goes through it is not HTTP\n",
		"what looks like one is not stopped on its way to a.com (dlp = \"warn\")\n",
		"what looks like jwt is let through to a.com, the value 0123456789abcdef alone\n",
		`credential  secret.env("GIT") goes to https://github.com, for /git/`,
		"    push      refs/heads/agent/*, forward, no change of .github/**\n",
		"    at most   7 requests, 10MiB, 60 requests in 1m0s, 10m0s from its start, 5 uses\n",
		"    used by   one, two\n",
		`credential  secret.env("API") goes to https://api.github.com/graphql, for /api/graphql/ POST`,
		"    only      query.viewer of graphql\n",
		"    used by   one\n",
		"    tokens    of https://auth.corp/token\n",
		`credential  secret.env("KEY") with secret.env("ID") goes to https://s3.corp, for /s3/`,
		"    push      refs/heads/x, forward, not searched for secrets\n",
		"no credential goes to https://open.corp, for /open/",
		"    used by   nobody\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
