package tests_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A shape is a launch that is not the demo's.
type shape struct {
	name   string
	intent string // one invariant
	script string
	status int
	out    []string // what the agents say, all of it in any order
	err    []string // what bottle says
	files  map[string]string
}

// shapes are launches that have each a part that the demo has not.
func shapes() []shape {
	return []shape{
		{
			name: "two networks", intent: "agents on two networks share a volume and nothing else",
			script: `
a, b = network("a"), network("b")
agent(p, name = "writer", entrypoint = e, command = ["write", "/notes/note", "hello"], mounts = [volume("/notes", name = "notes")], network = a)
agent(p, name = "reader", entrypoint = e, command = ["read", "/notes/note", "hello"], mounts = [volume("/notes", name = "notes", read_only = True)], network = b)
`,
			out: []string{"writer | wrote /notes/note", "reader | read /notes/note"},
		},
		{
			name: "read-only volume", intent: "what is mounted for reading cannot be written",
			script: `agent(p, entrypoint = e, command = ["write", "/notes/note", "hello"], mounts = [volume("/notes", read_only = True)])`,
			status: 1, out: []string{"read-only file system"},
		},
		{
			name: "read-only mount", intent: "a directory of the host that is mounted for reading cannot be written",
			script: `agent(p, entrypoint = e, command = ["write", "/host/note", "hello"], mounts = [mount(".", "/host", read_only = True)])`,
			status: 1, out: []string{"read-only file system"},
		},
		{
			name: "health check", intent: "an agent starts when the service it needs is healthy, not before",
			script: `
h = image_build("healthy")
service("slow", h, mounts = [volume("/state", name = "state")])
agent(p, entrypoint = e, command = ["has", "/state/checks", "..."], mounts = [volume("/state", name = "state")])
`,
			out: []string{"/state/checks has it"},
			files: map[string]string{"healthy/Dockerfile": "FROM scratch\nCOPY prober /prober\n" +
				"HEALTHCHECK --interval=200ms --timeout=5s --retries=30 CMD [\"/prober\", \"health\", \"/state/checks\"]\nENTRYPOINT [\"/prober\"]\nCMD [\"listen\"]\n"},
		},
		{
			name: "unhealthy service", intent: "a service that never gets healthy ends the launch with its own words",
			script: `
service("sick", image_build("sick"))
agent(p, entrypoint = e, command = ["print", "1"])
`,
			status: 125, err: []string{"launch.star:3:1: start:sick: its health check failed: prober: no such verb: sick"},
			files: map[string]string{"sick/Dockerfile": "FROM scratch\nCOPY prober /prober\n" +
				"HEALTHCHECK --interval=100ms --retries=2 CMD [\"/prober\", \"sick\"]\nENTRYPOINT [\"/prober\"]\nCMD [\"listen\"]\n"},
		},
		{
			name: "service that dies", intent: "the launch ends when a service does that it needs",
			script: `
service("frail", p, entrypoint = e, command = ["exit", "9"])
agent(p, entrypoint = e, command = ["hold"])
`,
			status: 125, err: []string{"launch.star:3:1: container:frail: ended while the launch needs it, with exit status 9"},
		},
		{
			name: "build that fails", intent: "the engine's word on a build reaches the user",
			script: `agent(image_build("broken"))`,
			status: 125, err: []string{"launch.star:3:7: image:broken: ", "COPY failed"},
			files: map[string]string{"broken/Dockerfile": "FROM scratch\nCOPY none /none\n"},
		},
		{
			name: "builds with arguments", intent: "two images of one directory are two images",
			script: `
[agent(image_build("who", args = {"user": u}), name = "a" + u, command = ["whoami"]) for u in ["1001", "1002"]]
`,
			out:   []string{"a1001 | uid 1001", "a1002 | uid 1002"},
			files: map[string]string{"who/Dockerfile": "FROM scratch\nCOPY prober /prober\nARG user\nUSER $user\nENTRYPOINT [\"/prober\"]\n"},
		},
		{
			name: "memory", intent: "an agent that takes more memory than it may is ended, and its user hears why",
			script: `agent(p, entrypoint = e, command = ["eat", "200"], memory = "64m")`,
			status: 137, err: []string{`launch.star:3:1: container:agent ran out of its memory limit of 64 MiB; give it more with memory = "128m"`},
		},
		{
			name: "memory of a service", intent: "a launch that ends because a service took too much memory says so",
			script: `
service("greedy", p, entrypoint = e, command = ["eat", "200"], memory = "64m")
agent(p, entrypoint = e, command = ["hold"])
`,
			status: 125, err: []string{`launch.star:3:1: container:greedy: ended while the launch needs it, with exit status 137: it ran out of its memory limit of 64 MiB; give it more with memory = "128m"`},
		},
		{
			name: "processes", intent: "an agent that has as many processes as it may is not left to guess",
			script: `agent(p, entrypoint = e, command = ["crowd", "60"], pids = 20)`,
			status: 1, out: []string{"resource temporarily unavailable"},
			err: []string{"launch.star:3:1: container:agent was seen with 20 of the 20 processes and threads that it may have; give it more with pids = 40"},
		},
		{
			name: "user", intent: "user= is who the agent is",
			script: `agent(p, entrypoint = e, command = ["whoami"], user = "1234:2345")`,
			out:    []string{"uid 1234 gid 2345"},
		},
		{
			name: "fixed subnet", intent: "a fixed subnet is used",
			script: `
network(subnet = "10.212.99.16/28")
agent(p, entrypoint = e, command = ["addresses"])
`,
			out: []string{"10.212.99."},
		},
		{
			name: "subnet too small", intent: "a fixed subnet without room for the launch is named before anything waits for an address",
			script: `
network(subnet = "10.212.98.16/28")
agent(p, entrypoint = e, command = ["print", "1"])
[service("s%d" % i, p, entrypoint = e, command = ["listen"]) for i in range(9)]
`,
			status: 2, err: []string{"launch.star:3:1: network: ", "10.212.98.16/28 has room for 7 agents and services"},
		},
		{
			name: "mount of credentials", intent: "a directory of the user's credentials is no mount",
			script: `agent(p, entrypoint = e, command = ["print", "1"], mounts = [mount("~/.docker", "/x")])`,
			status: 125, err: []string{"launch.star:3:1: container:agent: mount of ~/.docker: ", ".docker holds credentials"},
		},
	}
}

// TestShapes runs each of the shapes to its end.
func TestShapes(t *testing.T) {
	all(t, shapes(), func(s shape) string { return s.name }, func(t *testing.T, s shape) {
		t.Helper()
		stage := newStage(t, "p = image_rootfs(\"prober.tar\")\ne = [\"/prober\"]\n"+strings.TrimPrefix(s.script, "\n"))
		home := filepath.Join(t.TempDir(), "home")
		stage.fill(t, s.files)
		if err := os.MkdirAll(filepath.Join(home, ".docker"), 0o700); err != nil {
			t.Fatal(err)
		}
		l := stage.launch(t)
		l.cmd.Env = append(l.cmd.Env, "HOME="+home)
		_ = l.cmd.Run()
		l.gone()
		if code := l.cmd.ProcessState.ExitCode(); code != s.status {
			t.Errorf("%s: exit status %d, want %d\n%s%s", s.intent, code, s.status, &l.out, &l.err)
		}
		for _, want := range s.out {
			if !strings.Contains(l.out.String(), want) {
				t.Errorf("%s: no %q in the output:\n%s%s", s.intent, want, &l.out, &l.err)
			}
		}
		for _, want := range s.err {
			if !strings.Contains(l.err.String(), want) {
				t.Errorf("%s: bottle does not say %q:\n%s", s.intent, want, &l.err)
			}
		}
	})
}

// fill writes the files of a shape; a directory with a Dockerfile gets the prober, and
// what the engine builds of it goes with the test.
func (s stage) fill(t *testing.T, files map[string]string) {
	t.Helper()
	exe, err := buildProber()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		text = strings.Replace(text, "FROM scratch\n", "FROM scratch\nLABEL "+s.label()+"\n", 1)
		dir := filepath.Join(s.dir, filepath.Dir(name))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for file, data := range map[string][]byte{filepath.Base(name): []byte(text), "prober": exe} {
			if err := os.WriteFile(filepath.Join(dir, file), data, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestKeptVolume: what one launch writes to a kept volume the next one reads, no
// launch removes it, and a volume of that name that is not bottle's is refused.
func TestKeptVolume(t *testing.T) {
	t.Parallel()
	keep := "t" + strings.ReplaceAll(time.Now().Format("150405.000000"), ".", "")
	s := newStage(t, `
verb = param("verb")
agent(image_rootfs("prober.tar"), entrypoint = ["/prober"], command = [verb, "/cache/note", "hello"], mounts = [volume("/cache", name = "`+keep+`", keep = True)])
`)
	volume := "bottle-keep-" + keep
	t.Cleanup(func() { _ = exec.Command("docker", "volume", "rm", "-f", volume).Run() }) //nolint:noctx // also after the test's end
	for _, verb := range []string{"write", "read"} {
		if l, code := s.run(t, "--arg", "verb="+verb); code != 0 {
			t.Fatalf("%s: exit status %d\n%s%s", verb, code, &l.out, &l.err)
		}
	}
	dockerLine(t, "volume", "rm", volume)
	dockerLine(t, "volume", "create", volume)
	l, code := s.run(t, "--arg", "verb=read")
	if want := "the engine has a volume " + volume + " that is not bottle's"; code != 125 || !strings.Contains(l.err.String(), want) {
		t.Errorf("exit status %d, want 125 and %q:\n%s", code, want, &l.err)
	}
}
