package tests_test

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestRoles lets an agent find its routes as tools do: by variables, by a file in its
// home that is its own, in https of the cred-proxy, and by the upstream's own URLs. The
// key is added behind its back on every road, and no other part of the upstream is
// reached by them.
func TestRoles(t *testing.T) {
	t.Parallel()
	s := of(t, filepath.Join(peer(t), "roles.star"), "--arg", "key="+canary, "--",
		"via=ANTHROPIC_BASE_URL/whoami", "via=API_URL/whoami", "via=npm_config_registry/whoami",
		"as=GH_ENTERPRISE_TOKEN@https://cred-proxy/api/v3/whoami", "get=https://cred-proxy/claude/whoami", "get=https://cred-proxy:443/github/whoami",
		"get=https://world/private/whoami", "get=https://api/whoami",
		"refused=https://world/whoami", "refused=https://world/private/../whoami", "refused=https://cred-proxy:9099/claude/whoami", "refused=https://world:8443/private/whoami", "refused=https://pipelock/",
		"file=/.npmrc",
	)
	s.ran()
	s.said("ok via=ANTHROPIC_BASE_URL/whoami: 200 GET api /whoami")
	s.said("ok as=GH_ENTERPRISE_TOKEN@https://cred-proxy/api/v3/whoami: 200 GET api /whoami")
	s.said("ok via=npm_config_registry/whoami: 200 GET world /whoami")
	s.said("ok get=https://world/private/whoami: 200 GET world /whoami")
	s.said("ok file=/.npmrc: 1000:1001 -rw------- # bottle: begin, made for one launch //cred-proxy:9099/")
}

// TestTickets: two agents of one network have a route each and not the other's, whoever
// says what; and nobody without a ticket has any.
func TestTickets(t *testing.T) {
	t.Parallel()
	s := of(t, filepath.Join(peer(t), "tickets.star"), "--arg", "key="+canary)
	s.ran()
	if n := strings.Count(s.out.String(), "ok via=ANTHROPIC_BASE_URL/whoami: 200 GET api /whoami"); n != 2 {
		t.Errorf("%d of two agents found their route:\n%s", n, s.out.String())
	}
	if n := strings.Count(s.out.String(), "ok "); n != 8 {
		t.Errorf("%d of 8 checks are fine", n)
	}
}
