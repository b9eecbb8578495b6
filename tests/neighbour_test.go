package tests_test

import (
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestNeighbours: a cred-proxy that goes out itself serves its own network, and
// not who is on the other: a container there, and the host.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	s := of(t, filepath.Join(peer(t), "alone.star"), "--arg", "key="+canary, "--", "get=http://cred-proxy:9099/healthz", "wait=neighbour", "get=http://cred-proxy:9099/healthz")
	stdin, err := s.cmd.StdinPipe()
	must(t, err)
	tried := 0
	s.cmd.Stdout = &waiter{buf: &s.out, onWait: func(string) {
		id := strings.TrimSpace(s.docker("ps", "-q", "--filter", "name=-cred-proxy"))
		neighbour := strings.TrimSpace(s.docker("ps", "-q", "--filter", "name=-api"))
		addresses, err := exec.CommandContext(t.Context(), "docker", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", id).Output()
		must(t, err)
		for addr := range strings.FieldsSeq(string(addresses)) {
			url := "http://" + addr + ":9099/healthz"
			check := exec.CommandContext(t.Context(), "docker", "exec", neighbour, "/peer", "check", "get="+url)
			saw, err := check.CombinedOutput()
			if err == nil || strings.Contains(string(saw), "ok ") {
				t.Errorf("the neighbour reached %s: %s", url, saw)
			}
			client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
			if res, err := client.Get(url); err == nil { //nolint:noctx // it has a timeout
				_ = res.Body.Close()
				// Where addresses without a route end at a proxy, that answers something.
				if res.StatusCode == http.StatusOK {
					t.Errorf("this machine reached %s: %s", url, res.Status)
				}
			}
			t.Logf("from the neighbour: %s", saw)
			tried++
		}
		_, _ = io.WriteString(stdin, "\n")
	}}
	s.ran()
	if tried != 2 {
		t.Errorf("%d addresses tried", tried)
	}
	if n := strings.Count(s.err.String(), "which is not on the network of the launch"); n < 2 {
		t.Errorf("%d refusals said:\n%s", n, s.err.String())
	}
}
