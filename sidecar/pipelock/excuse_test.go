package pipelock_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/sidecar/pipelock"
)

// A refusal says what to write where it is wrong, and that is enough.
func TestExcuse(t *testing.T) {
	u := world(t, nil)
	g := run(t, u, pipelock.Config{Allow: allow("example.com", "www.example.com")})
	_, body := g.do("POST", "https://example.com/in", nil, strings.NewReader(secret()))
	var refusal map[string]string
	if err := json.Unmarshal([]byte(body), &refusal); err != nil {
		t.Fatal(body)
	}
	m := regexp.MustCompile(`excuse\("(.*?)", host = "(.*?)", hash = "(.*?)"\)`).FindStringSubmatch(refusal["allow"])
	if m == nil || strings.Contains(body, secret()) {
		t.Fatal(body)
	}
	for _, c := range []struct {
		name   string
		excuse pipelock.Excuse
		url    string
		body   string
		want   int
	}{
		{"as told", pipelock.Excuse{Rule: m[1], Host: m[2], Hash: m[3]}, "https://example.com/in", secret(), 200},
		{"another value", pipelock.Excuse{Rule: m[1], Host: m[2], Hash: m[3]}, "https://example.com/in", secret()[:39] + "0", 403},
		{"one of two", pipelock.Excuse{Rule: m[1], Host: m[2], Hash: m[3]}, "https://example.com/in", secret() + " " + secret()[:39] + "0", 403},
		{"another host", pipelock.Excuse{Rule: m[1], Host: m[2], Hash: m[3]}, "https://www.example.com/in", secret(), 403},
		{"every value", pipelock.Excuse{Rule: m[1]}, "https://www.example.com/in", secret()[:39] + "0", 200},
		{"another rule", pipelock.Excuse{Rule: "npm-access-token"}, "https://example.com/in", secret(), 403},
		{"its path", pipelock.Excuse{Rule: m[1], Path: "/in/*"}, "https://example.com/in/x", secret(), 200},
		{"another path", pipelock.Excuse{Rule: m[1], Path: "/in/*"}, "https://example.com/in", secret(), 403},
	} {
		g := run(t, u, pipelock.Config{Allow: allow("example.com", "www.example.com"), DLPAllow: []pipelock.Excuse{c.excuse}})
		if code, body := g.do("POST", c.url, nil, strings.NewReader(c.body)); code != c.want {
			t.Error(c.name, code, body)
		}
	}
}

// A rule says for itself what becomes of secrets.
func TestRuleReads(t *testing.T) {
	rules := allow("example.com", "www.example.com")
	rules[0].DLP, rules[1].DLP = "off", "block"
	g := run(t, world(t, nil), pipelock.Config{Allow: rules, DLP: "warn"})
	for host, want := range map[string]int{"example.com": 200, "www.example.com": 403} {
		if code, body := g.do("POST", "https://"+host+"/", http.Header{}, strings.NewReader(secret())); code != want {
			t.Error(host, code, body)
		}
	}
}
