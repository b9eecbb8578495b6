package tests_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// beatScript is a launch whose agent asks again and again for what it may reach,
// and writes down when it got it.
const beatScript = `
p = image_rootfs("prober.tar")
def server(name):
    service(name, p, entrypoint = ["/prober"], command = ["listen"], outside = True)
server("world")
server("upstream")
keys = cred_proxy([route("/api/", "http://upstream", bearer(secret.env("ACME_API_KEY")), plain_http = True)])
pipelock(["world"])
agent(p, entrypoint = ["/prober"], command = ["beat", "/out/beats", "http://world/", keys.url("/api/") + "/"], mounts = [mount("out", "/out")])
`

// TestKilledLauncher kills bottle with SIGKILL while its agent makes requests: the
// agent's own log says when the last one got through. Prune then leaves nothing.
func TestKilledLauncher(t *testing.T) {
	s := newStage(t, beatScript)
	out := filepath.Join(s.dir, "out")
	if err := os.Mkdir(out, 0o777); err != nil {
		t.Fatal(err)
	}
	l := s.launch(t)
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(out, "beats")
	everyWay := func() bool { ok, _ := beats(t, log, time.Time{}); return len(ok) == 4 }
	l.until("each of four ways got through", time.Minute, everyWay)
	killed := time.Now()
	if err := l.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = l.cmd.Wait()
	// The agent goes on trying: its silence must not be its end.
	l.until("the agent was refused for three seconds", 30*time.Second, func() bool {
		ok, no := beats(t, log, time.Now().Add(-3*time.Second))
		return len(ok) == 0 && len(no) == 4 && time.Since(killed) > 4*time.Second
	})
	ok, _ := beats(t, log, time.Time{})
	for way, last := range ok {
		after := last.Sub(killed)
		t.Logf("%s: the last request got through %v after the kill", way, after.Round(time.Millisecond))
		// Two seconds is the promise; the limit leaves room for an engine that
		// others keep busy.
		if after > 10*time.Second {
			t.Errorf("%s: requests got through for %v", way, after)
		}
	}
	prune := exec.CommandContext(t.Context(), "../bin/bottle", "prune", l.name)
	prune.Env = l.cmd.Env
	if out, err := prune.CombinedOutput(); err != nil {
		t.Errorf("prune: %v\n%s", err, out)
	}
	l.gone()
}

// beats reads the agent's log from a moment on: for each way when a request last
// got through, and when it last did not.
func beats(t *testing.T, log string, from time.Time) (ok, no map[string]time.Time) {
	t.Helper()
	ok, no = map[string]time.Time{}, map[string]time.Time{}
	f, err := os.Open(log)
	if err != nil {
		return ok, no
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		var nano int64
		var verdict string
		rest := strings.Fields(in.Text())
		if _, err := fmt.Sscan(in.Text(), &nano, &verdict); err != nil || len(rest) != 4 {
			continue // half a line
		}
		way := rest[2] + " " + rest[3]
		if at := time.Unix(0, nano); at.Before(from) {
			continue
		} else if verdict == "ok" {
			ok[way] = at
		} else {
			no[way] = at
		}
	}
	return ok, no
}
