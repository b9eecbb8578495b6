package tests_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// canaryScript is a launch with an object of every kind that uses a secret.
const canaryScript = `
p = image_rootfs("prober.tar")
service("world", p, entrypoint = ["/prober"], command = ["listen"], outside = True)
keys = cred_proxy([
    route("/api/", "http://world", bearer(secret.env("ACME_API_KEY")), plain_http = True),
    route("/file/", "http://world", basic("me", secret.file("key")), plain_http = True),
    route("/command/", "http://world", header("x-api-key", secret.command(["cat", "key"])), plain_http = True),
])
pipelock([])
agent(p, entrypoint = ["/prober"], command = ["beat", "/data/beats", keys.url("/api/") + "/"], mounts = [volume("/data")])
`

// spellings are the forms in which the key must not be seen: as it is, as messages
// to the sidecars hold it, and as headers do.
func spellings() [][]byte {
	b64 := base64.StdEncoding.EncodeToString
	return [][]byte{
		[]byte(canary), []byte(b64([]byte(canary))), []byte(b64([]byte("me:" + canary))), []byte(hex.EncodeToString([]byte(canary))),
	}
}

func holdsCanary(b []byte) bool {
	return slices.ContainsFunc(spellings(), func(s []byte) bool { return bytes.Contains(b, s) })
}

// clean makes sure that the output of docker holds no key, and something else.
func clean(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker", args...).CombinedOutput()
	if err != nil || len(out) == 0 {
		t.Errorf("docker %s: %v, %d bytes:\n%s", strings.Join(args, " "), err, len(out), out)
	}
	if holdsCanary(out) {
		t.Errorf("the key is in the output of docker %s", strings.Join(args, " "))
	}
}

// TestCanary looks for the key of a running launch everywhere but in the memory of
// the cred-proxy: on every object of the engine, in every process of every container,
// in file systems, in the state directory, in what bottle says.
func TestCanary(t *testing.T) {
	s := newStage(t, canaryScript)
	if err := os.WriteFile(filepath.Join(s.dir, "key"), []byte(canary), 0o600); err != nil {
		t.Fatal(err)
	}
	modes := []string{"plain", "json", "tty", "quiet"}
	all(t, modes, func(m string) string { return m }, func(t *testing.T, mode string) {
		t.Helper()
		l := s.launch(t, "--progress", mode)
		if err := l.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		l.until("the agent runs", time.Minute, func() bool { return strings.Contains(l.out.String(), "beating") })
		if mode == "plain" {
			l.objects()
			l.processes()
		}
		_ = l.cmd.Process.Signal(os.Interrupt)
		_ = l.cmd.Wait()
		l.gone()
		if holdsCanary(l.out.Bytes()) || holdsCanary(l.err.Bytes()) {
			t.Errorf("bottle said the key:\n%s%s", &l.out, &l.err)
		}
		l.state()
	})
	for _, format := range []string{"--json", "--dot", "--json=false"} {
		plan := exec.CommandContext(t.Context(), "../bin/bottle", "plan", format, filepath.Join(s.dir, "launch.star"))
		plan.Env = append(os.Environ(), "ACME_API_KEY="+canary)
		if out, err := plan.CombinedOutput(); err != nil || holdsCanary(out) {
			t.Errorf("plan %s: %v\n%s", format, err, out)
		}
	}
}

// objects looks at everything that the engine keeps of a launch.
func (s *session) objects() {
	t := s.t
	t.Helper()
	images := map[string]bool{}
	ids := strings.Fields(s.docker("ps", "-aq"))
	if len(ids) != 4 {
		t.Errorf("%d containers, want 4", len(ids))
	}
	for _, id := range ids {
		clean(t, "inspect", id)
		clean(t, "top", id)
		clean(t, "export", id)
		images[dockerLine(t, "inspect", "-f", "{{.Image}}", id)] = true
		// Nothing is logged on the engine's side: there is no log to read.
		if out, err := exec.CommandContext(t.Context(), "docker", "logs", id).CombinedOutput(); err == nil || holdsCanary(out) {
			t.Errorf("docker logs: %v\n%s", err, out)
		}
	}
	for image := range images {
		clean(t, "image", "inspect", image)
		clean(t, "history", "--no-trunc", image)
	}
	for _, kind := range []string{"network", "volume"} {
		found := strings.Fields(s.docker(kind, "ls", "-q"))
		if len(found) == 0 {
			t.Errorf("the launch has no %s to look at", kind)
		}
		for _, id := range found {
			clean(t, kind, "inspect", id)
		}
	}
	clean(t, "info")
}

// processes looks into every process of every container. That bottle's own
// environment holds the key shows that one would be found.
func (s *session) processes() {
	t := s.t
	t.Helper()
	found, seen := 0, 0
	look := func(pid string) (holds bool) {
		for _, file := range []string{"environ", "cmdline"} {
			b, err := os.ReadFile(filepath.Join("/proc", pid, file))
			if os.IsPermission(err) && os.Getenv("BOTTLE_REQUIRE_DOCKER") == "" {
				t.Skipf("not run: %v", err)
			} else if err != nil {
				t.Errorf("process %s: %v", pid, err)
			}
			seen += len(b)
			holds = holds || holdsCanary(b)
		}
		return holds
	}
	for id := range strings.FieldsSeq(s.docker("ps", "-aq")) {
		for _, pid := range strings.Fields(dockerLine(t, "top", id, "-eo", "pid"))[1:] {
			found++
			if look(pid) {
				t.Errorf("the key is in the environment or arguments of process %s of container %s", pid, id)
			}
		}
	}
	if found < 5 || seen == 0 { // two sidecars, and two programs with an init
		t.Errorf("%d processes with %d bytes were found", found, seen)
	}
	if !look(strconv.Itoa(s.cmd.Process.Pid)) {
		t.Error("the key is not where it must be: the search is broken")
	}
}

// state looks into the state directory, which outlives the launch.
func (s *session) state() {
	s.t.Helper()
	files := 0
	for _, env := range s.cmd.Env {
		dir, ok := strings.CutPrefix(env, "XDG_STATE_HOME=")
		if !ok {
			continue
		}
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			if holdsCanary(b) {
				s.t.Errorf("the key is in %s", path)
			}
			files++
			return err
		})
		if err != nil {
			s.t.Error(err)
		}
	}
	if files < 4 {
		s.t.Errorf("%d files in the state directory", files)
	}
}
