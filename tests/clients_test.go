package tests_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// debian is the name of an image with the tools that developers use. It is made
// once and kept.
func debian(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("apt-get"); err != nil || os.Getuid() != 0 {
		t.Skip("not run: the image of the real clients is made as root on Debian or Ubuntu")
	}
	var stderr bytes.Buffer
	c := exec.CommandContext(t.Context(), "sh", "debian.sh")
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("debian.sh: %v\n%s", err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// clients runs a script of testdata/dataplane in an agent with the tools of
// clients.star.
func clients(t *testing.T, work string, args ...string) {
	t.Helper()
	s := of(t, filepath.Join(peer(t), "clients.star"), append(args, "--arg", "work="+work,
		"--arg", "image="+debian(t), "--arg", "key="+canary, "--arg", "access_key="+accessKey)...)
	s.cmd.Env = append(s.cmd.Env, "PEER_ACCESS_KEY="+accessKey)
	stdin, err := s.cmd.StdinPipe()
	must(t, err)
	s.cmd.Stdout = &waiter{buf: &s.out, onWait: func(what string) {
		s.frugal(what, 200<<20) // what package git promises for the worst of pushes
		_, _ = io.WriteString(stdin, "\n")
	}}
	s.ran()
	s.noTicket()
}

// noTicket looks for the agent's ticket, which it knows and said, in what is kept of
// the launch.
func (s *session) noTicket() {
	s.t.Helper()
	ticket := regexp.MustCompile("/~([0-9a-f]{64})/").FindStringSubmatch(s.out.String())
	if ticket == nil {
		return
	}
	for _, env := range s.cmd.Env {
		if dir, ok := strings.CutPrefix(env, "XDG_STATE_HOME="); ok {
			if out, err := exec.CommandContext(s.t.Context(), "grep", "-ro", ".\\{80\\}"+ticket[1], dir).CombinedOutput(); err == nil {
				s.t.Errorf("the ticket is in the state directory: %.2000s", out)
			}
		}
	}
	if strings.Contains(s.err.String(), ticket[1]) {
		s.t.Error("the ticket is in what bottle says")
	}
}

// TestRealClients: git, npm, pip, cargo, go and curl, from Debian's packages, do
// their work over the routes that their roles lead them to, and servers that demand
// the key get it. Once as the only kind of agent, once told from others by a ticket.
func TestRealClients(t *testing.T) {
	t.Parallel()
	for _, ticket := range []string{"", "yes"} {
		t.Run("ticket="+ticket, func(t *testing.T) { clients(t, "clients.sh", "--arg", "ticket="+ticket) })
	}
}

// accessKey is the name of a key for AWS, which is no secret.
const accessKey = "peer-access-key"
