package starlib_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/sidecar/credproxy"
	"github.com/bottle-run/bottle/sidecar/pipelock"
	"github.com/bottle-run/bottle/starlib"
)

// TestPlans holds the plan of each script of testdata/plans, as text and as JSON,
// with every variable, file, route and rule.
func TestPlans(t *testing.T) {
	files, err := filepath.Glob("testdata/plans/*.star")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			l, err := eval(t, string(src), nil)
			if err != nil {
				t.Fatal(mistake(t, err).Detail())
			}
			base := strings.TrimSuffix(file, ".star")
			golden(t, base+".plan", l.Plan.String())
			golden(t, base+".json", indented(t, l.Plan))
			accepted(t, l.Plan)
		})
	}
}

func indented(tb testing.TB, p *plan.Plan) string {
	tb.Helper()
	b, err := json.Marshal(p)
	if err != nil {
		tb.Fatal(err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		tb.Fatal(err)
	}
	out.WriteByte('\n')
	return out.String()
}

// accepted holds what every plan promises to those who carry it out: the sidecars
// take their configurations, with all the values that these name; names of
// networks, images and containers resolve; nothing untrusted has a way out.
func accepted(tb testing.TB, p *plan.Plan) {
	tb.Helper()
	for _, n := range p.Nodes() {
		c, ok := n.Op.(plan.Container)
		if !ok {
			continue
		}
		if p.Node(c.Image) == nil {
			tb.Errorf("%s: no node %s", n.ID, c.Image)
		}
		for _, e := range c.Networks {
			net, ok := p.Node(e.Network).Op.(plan.Network)
			if !ok || c.Role == plan.Agent && !net.Internal {
				tb.Errorf("%s joins %s: %+v", n.ID, e.Network, net)
			}
		}
		if c.Role != plan.Sidecar {
			if len(c.Stdin) > 0 || c.Role == plan.Agent && c.OpenDNS {
				tb.Errorf("%s: %+v", n.ID, c)
			}
			continue
		}
		inputs := map[string]plan.Source{}
		for _, in := range c.Stdin {
			inputs[in.Name] = in.Source
		}
		config, ok := inputs["config"].(plan.Literal)
		if !ok {
			tb.Fatalf("%s has no config", n.ID)
		}
		if strings.HasSuffix(string(n.ID), "pipelock") {
			acceptedByGate(tb, n, config, inputs)
		} else {
			acceptedByProxy(tb, n, config, inputs)
		}
	}
}

func acceptedByGate(tb testing.TB, n *plan.Node, config []byte, inputs map[string]plan.Source) {
	tb.Helper()
	var g pipelock.Config
	strict(tb, config, &g)
	if err := g.Validate(); err != nil {
		tb.Errorf("%s: the gate refuses its configuration: %v", n.ID, err)
	}
	want := []string{pipelock.InputCACert, pipelock.InputCAKey}
	if len(g.Upstreams) > 0 {
		want = append(want, pipelock.InputToken)
	}
	for _, name := range want {
		if _, ok := inputs[name].(plan.Generated); !ok {
			tb.Errorf("%s: no %s", n.ID, name)
		}
	}
}

func acceptedByProxy(tb testing.TB, n *plan.Node, config []byte, inputs map[string]plan.Source) {
	tb.Helper()
	var p credproxy.Config
	strict(tb, config, &p)
	if err := p.Validate(); err != nil {
		tb.Errorf("%s: the cred-proxy refuses its configuration: %v", n.ID, err)
	}
	for _, r := range p.Routes {
		if r.Auth == nil {
			continue
		}
		if s, ok := inputs[r.Auth.Secret].(plan.Secret); !ok || s.String() != r.Auth.Secret {
			tb.Errorf("%s: no value for the slot %q", n.ID, r.Auth.Secret)
		}
	}
	for _, name := range []string{credproxy.InputCA, credproxy.InputToken} {
		if _, ok := inputs[name]; ok != (p.Proxy != "") {
			tb.Errorf("%s: proxy %q and %s: %t, one never without the other", n.ID, p.Proxy, name, ok)
		}
	}
}

func strict(tb testing.TB, data []byte, into any) {
	tb.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		tb.Fatal(err)
	}
}

// TestDeterminism: the same script with the same arguments gives the same bytes.
func TestDeterminism(t *testing.T) {
	src, err := os.ReadFile("testdata/plans/everything.star")
	if err != nil {
		t.Fatal(err)
	}
	var first string
	for i := range 100 {
		l, err := eval(t, string(src), nil)
		if err != nil {
			t.Fatal(err)
		}
		got := indented(t, l.Plan) + l.Plan.String() + l.Plan.DOT()
		if i == 0 {
			first = got
		}
		if got != first {
			t.Fatalf("evaluation %d gave another plan", i)
		}
	}
}

// TestSameMistake: of several mistakes in one dict the same is reported each time.
func TestSameMistake(t *testing.T) {
	for _, script := range []string{
		`agent("i", env = {"A=": "", "B=": "", "C=": "", "D=": "", "E=": ""})`,
		`pipelock(hosts = {"a b": "x", "c d": "x", "e f": "x", "g h": "x"})`,
		`agent("i", env = {k: "x" for k in ["HTTP_PROXY", "HTTPS_PROXY", "PIP_CERT", "DENO_CERT"]})` + "\npipelock()",
	} {
		var first string
		for i := range 50 {
			_, err := eval(t, script, nil)
			if err == nil {
				t.Fatal("no mistake")
			}
			if i == 0 {
				first = err.Error()
			}
			if err.Error() != first {
				t.Fatalf("%q, then %q", first, err)
			}
		}
	}
}

// TestSecretsStayNames: no value of the environment is in a plan, and references
// print as the script spells them.
func TestSecretsStayNames(t *testing.T) {
	t.Setenv("CANARY", "canary-value")
	var printed []string
	script := `s = secret.env("CANARY")
print(s, [s], "%s %r" % (s, s), str(s), type(s), dir(s), s == secret.env("CANARY"), s != secret.env("OTHER"), {s: 1}[secret.env("CANARY")])
cred_proxy([route("/a/", "https://a.com", bearer(s)), route("/b/", "https://b.com", header("x-key", s))])
agent("i")`
	l, err := starlib.Eval(context.Background(), starlib.Options{
		FS: modules(t, script), Script: "launch.star",
		Print: func(pos plan.Pos, msg string) { printed = append(printed, pos.String()+" "+msg) },
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `launch.star:2:1 secret.env("CANARY") [secret.env("CANARY")] secret.env("CANARY") secret.env("CANARY") secret.env("CANARY") secret [] True True 1`
	if len(printed) != 1 || printed[0] != want {
		t.Errorf("got %q, want %q", printed, want)
	}
	if strings.Contains(indented(t, l.Plan), "canary-value") {
		t.Error("the value is in the plan")
	}
	if got := l.Plan.Secrets(); len(got) != 1 {
		t.Errorf("two routes with one secret have the slots %v", got)
	}
}
