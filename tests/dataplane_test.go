package tests_test

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bottle-run/bottle/sidecar"
)

// peer is a directory with the scripts of testdata/dataplane and what they name:
// the image of tests/peer, an authority, the context of a foreign cred-proxy.
func peer(t *testing.T) string {
	t.Helper()
	engine(t)
	dir := t.TempDir()
	bin := filepath.Join(dir, "foreign", "peer")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, "./peer")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program, err := os.ReadFile(bin)
	must(t, err)
	var own [8]byte // makes images that no other test has, so that they may go
	_, _ = rand.Read(own[:])
	archive := archived(t, "peer", append(program, own[:]...))
	removeImages(t, rootfsName(archive), fmt.Sprintf("bottle-test=%x", own))
	cert, key, err := sidecar.NewCA("peer")
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "ca.pem"), cert, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "ca-key.pem"), key, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "peer.tar"), archive, 0o600))
	must(t, os.CopyFS(dir, os.DirFS("testdata/dataplane")))
	dockerfile, err := os.ReadFile(filepath.Join(dir, "Dockerfile"))
	must(t, err)
	dockerfile = fmt.Appendf(dockerfile, "LABEL bottle-test=%x\n", own)
	must(t, os.WriteFile(filepath.Join(dir, "foreign", "Dockerfile"), dockerfile, 0o600))
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// archived is a tar archive of one program.
func archived(t *testing.T, name string, program []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	must(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(program))}))
	_, err := w.Write(program)
	must(t, err)
	must(t, w.Close())
	return b.Bytes()
}

// of makes a launch of another script than the demo's.
func of(t *testing.T, script string, args ...string) *session {
	t.Helper()
	s := launch(t, t.Context(), []string{"PEER_KEY=" + canary}, args...)
	s.cmd.Args[2] = script
	return s
}

// ran is what the agent's checks printed, all of them well.
func (s *session) ran() {
	s.t.Helper()
	if err := s.cmd.Run(); err != nil {
		s.t.Errorf("%v\n%s%s", err, s.out.String(), s.err.String())
	}
	s.t.Logf("\n%s", s.out.String())
	s.gone()
	if strings.Contains(s.err.String(), canary) {
		s.t.Error("the key is in what bottle says")
	}
}

func (s *session) said(what string) {
	s.t.Helper()
	if !regexp.MustCompile("(?m)^" + what).MatchString(s.out.String()) {
		s.t.Errorf("the agent did not say %q:\n%s", what, s.out.String())
	}
}

const (
	route = "http://cred-proxy:9099/api"
	plain = "https://world"
)

// TestDataPlane lets an agent do through both sidecars what agents do: agent, gate,
// cred-proxy, gate, upstream, with TLS of a private authority at the end. What must
// not come through does not.
func TestDataPlane(t *testing.T) {
	t.Parallel()
	s := of(t, filepath.Join(peer(t), "both.star"), "--arg", "key="+canary, "--",
		"get="+route+"/whoami", "get="+plain+"/whoami",
		"events="+route, "events="+plain,
		"echo=ws://cred-proxy:9099/api/echo", "echo=wss://world/echo",
		"get="+plain+":8443/whoami", "refused="+plain+":9443/", "refused=http://world/", "refused=https://pinned:8443/",
		"refused="+plain+"/forbidden/x", "refused="+plain+"/%66orbidden/x", "refused="+plain+"/x/../forbidden/x", "refused=https://api/private/whoami",
		"leak="+plain+"/sink", "leak="+route+"/sink",
		"issuer=world", "issuer=pinned", "fronted=world/api", "fronted=pinned/world", "fronted=pinned/",
	)
	s.ran()
	s.said("ok get=" + route + "/whoami: 200 GET api /whoami")
	s.said("ok issuer=world: bottle launch CA default$")
	s.said("ok issuer=pinned: bottle launch CA peer$")
}

// TestUpstreamProxy: what the gate lets through leaves by the company's proxy, the
// tunnels that it does not open too.
func TestUpstreamProxy(t *testing.T) {
	t.Parallel()
	s := of(t, filepath.Join(peer(t), "upstream.star"), "--arg", "key="+canary, "--",
		"get=https://corp.test/whoami", "get="+route+"/whoami", "issuer=corp.test", "issuer=pinned.test",
		"leak=warn:https://corp.test/sink",
	)
	s.ran()
	s.said("ok issuer=pinned.test: bottle launch CA peer$")
}

// TestForeignCredProxy runs a cred-proxy that only knows docs/sidecars.md.
func TestForeignCredProxy(t *testing.T) {
	t.Parallel()
	s := of(t, filepath.Join(peer(t), "foreign.star"), "--arg", "key="+canary, "--", "get="+route+"/whoami", "events="+route, "refused=https://api/")
	s.ran()
	s.said("ok get=" + route + "/whoami: 200 GET api /whoami 1.1 foreign$")
}

// TestGoModDownload lets the real go command fetch a module of the real world
// through the gate, which reads what passes. The sum is the project's own.
func TestGoModDownload(t *testing.T) {
	t.Parallel()
	goEnv := func(name string) string {
		out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		must(t, err)
		return strings.TrimSpace(string(out))
	}
	proxy, _, _ := strings.Cut(goEnv("GOPROXY"), ",")
	u, err := url.Parse(proxy)
	if err != nil || u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.User != nil {
		t.Skipf("not run: the module proxy of this machine is %q", u.Redacted())
	}
	dir := peer(t)
	roots, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt")
	if err != nil {
		t.Skip("not run: this machine keeps its roots elsewhere")
	}
	must(t, os.WriteFile(filepath.Join(dir, "roots.pem"), roots, 0o600))
	const module, version = "golang.org/x/sync", "v0.24.0"
	s := of(t, filepath.Join(dir, "golang.star"), "--arg", "proxy="+u.Host, "--arg", "goroot="+goEnv("GOROOT"), "--",
		"mod", "download", "-json", module+"@"+version)
	s.ran()
	var got struct{ Sum, Error string }
	must(t, json.Unmarshal(s.out.Bytes(), &got))
	sums, err := os.ReadFile("../go.sum")
	must(t, err)
	if want := module + " " + version + " " + got.Sum + "\n"; got.Sum == "" || !strings.Contains(string(sums), want) {
		t.Errorf("go.sum does not hold %q", want)
	}
}

// TestLargeBodies moves much through both sidecars, both ways and both roads, and
// measures what they need for it. A gibibyte each with BOTTLE_LONG.
func TestLargeBodies(t *testing.T) {
	size := 64 << 20
	if isLong() {
		size = 1 << 30
	}
	var checks []string
	for _, way := range []string{"down", "up"} {
		for _, base := range []string{route, plain} {
			checks = append(checks, fmt.Sprintf("%s=%d@%s", way, size, base), fmt.Sprintf("wait=%s@%s", way, base))
		}
	}
	s := of(t, filepath.Join(peer(t), "both.star"), append([]string{"--arg", "key=" + canary, "--"}, checks...)...)
	stdin, err := s.cmd.StdinPipe()
	must(t, err)
	s.cmd.Stdout = &waiter{buf: &s.out, onWait: func(what string) {
		s.frugal(fmt.Sprintf("%d MiB %s", size>>20, what), 64<<20)
		_, _ = io.WriteString(stdin, "\n")
	}}
	start := time.Now()
	s.ran()
	t.Logf("in %v", time.Since(start).Round(time.Second))
}
