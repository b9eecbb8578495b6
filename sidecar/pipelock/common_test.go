package pipelock_test

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/bottle-run/bottle/sidecar/pipelock"
)

// pick returns some of all, in random order.
func pick[T any](r *rand.Rand, all ...T) []T {
	var some []T
	for _, i := range r.Perm(len(all)) {
		if r.IntN(2) == 0 {
			some = append(some, all[i])
		}
	}
	return some
}

func randomRules(r *rand.Rand) []pipelock.Rule {
	var rules []pipelock.Rule
	for range r.IntN(4) {
		rules = append(rules, pipelock.Rule{
			Host: []string{"a.test", "*.test", "b.a.test", "c.test"}[r.IntN(4)], Ports: pick(r, 80, 443, 8443),
			Methods: pick(r, "GET", "POST"), Paths: pick(r, "/x/**", "/y", "/**"), MaxBody: []int64{0, 0, 10, 20}[r.IntN(4)],
		})
	}
	return rules
}

func randomConfig(r *rand.Rand) pipelock.Config {
	c := pipelock.Config{
		Listen: ":8888", DNS: ":53", Allow: randomRules(r), Deny: randomRules(r), Upstreams: randomRules(r),
		Sidecars: pick(r, "mcp", "cred-proxy:9099"), Passthrough: pick(r, "a.test", "c.test"), Private: pick(r, "a.test"),
		DLP: []string{"block", "warn", "off"}[r.IntN(3)],
	}
	for i := range c.Deny {
		c.Deny[i].MaxBody = 0
	}
	return c
}

// What the common configuration lets through, both do, with no larger body and no
// laxer scan; on the way from one to the other nothing is open that neither opens.
func TestCommonIsNoWider(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	allowed := 0
	for range 5000 {
		a, b := randomConfig(r), randomConfig(r)
		if r.IntN(3) == 0 { // an edit of a rule or two is what people do
			b.Allow, b.Upstreams, b.Deny = append(randomRules(r)[:0:0], a.Allow...), a.Upstreams, a.Deny
			b.Allow = append(b.Allow, randomRules(r)...)
		}
		c := pipelock.Common(a, b)
		for _, ask := range pipelock.RuleAsks() {
			ok, limit := pipelock.DecideRule(c, ask)
			if !ok {
				continue
			}
			allowed++
			for _, side := range []pipelock.Config{a, b} {
				if sideOK, sideLimit := pipelock.DecideRule(side, ask); !sideOK || sideLimit > 0 && (limit == 0 || limit > sideLimit) {
					t.Fatalf("common lets %+v through (limit %d), and one side does not (limit %d)\na %+v\nb %+v\ncommon %+v", ask, limit, sideLimit, a, b, c)
				}
			}
		}
	}
	if allowed < 1000 {
		t.Errorf("only %d asks were let through: the test says little", allowed)
	}
}

// Adding is common with what was, taking away with what will be: no detour then.
func TestCommonOfAPureChange(t *testing.T) {
	small := pipelock.Config{Allow: []pipelock.Rule{{Host: "a.test", Methods: []string{"GET"}, Pos: "1"}}, DLP: "block"}
	large := pipelock.Config{Allow: []pipelock.Rule{{Host: "b.test"}, {Host: "a.test", Pos: "2"}}, DLP: "block"}
	for _, c := range []pipelock.Config{pipelock.Common(small, large), pipelock.Common(large, small)} {
		if len(c.Allow) != 1 || c.Allow[0].Host != "a.test" || len(c.Allow[0].Methods) != 1 {
			t.Errorf("got %+v", c)
		}
	}
	if c := pipelock.Common(small, pipelock.Config{Allow: small.Allow, DLP: "off"}); c.DLP != "block" {
		t.Errorf("the scan is %q", c.DLP)
	}
	excuse := []pipelock.Excuse{{Rule: "jwt"}}
	if c := pipelock.Common(small, pipelock.Config{Allow: small.Allow, DLP: "block", DLPAllow: excuse}); len(c.DLPAllow) != 0 {
		t.Errorf("excused: %+v", c.DLPAllow)
	}
	lax := []pipelock.Rule{small.Allow[0]}
	lax[0].DLP = "off"
	if c := pipelock.Common(small, pipelock.Config{Allow: lax, DLP: "block"}); len(c.Allow) != 0 {
		t.Errorf("got %+v", c.Allow)
	}
}

// A field that is added to the configuration has to be thought of in Common.
func TestCommonKnowsEveryField(t *testing.T) {
	if n := reflect.TypeFor[pipelock.Config]().NumField(); n != 13 {
		t.Errorf("Config has %d fields: does Common let through nothing that only one side does, with the new one?", n)
	}
	if n := reflect.TypeFor[pipelock.Rule]().NumField(); n != 14 {
		t.Errorf("Rule has %d fields: does Common let through nothing that only one side does, with the new one?", n)
	}
}
