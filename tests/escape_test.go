package tests_test

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// escapeScript is a launch with all that bottle has, and servers outside it that
// an agent wants to reach.
const escapeScript = `
p = image_rootfs("prober.tar")
def server(name):
    return service(name, p, entrypoint = ["/prober"], command = ["listen"], outside = True)
server("world")
server("upstream")
server("secretive")
service("neighbour", p, entrypoint = ["/prober"], command = ["listen"])
keys = cred_proxy([route("/api/", "http://upstream", bearer(secret.env("ACME_API_KEY")), plain_http = True)])
pipelock(["world"])
agent(p, entrypoint = ["/prober"], command = ["probe"])
`

// An escape is a way out: what the agent tries, and who shows that the same probe
// reaches its goal where it may.
type escape struct {
	name    string
	what    string
	control *probing
	allowed string // what control tries; empty is the same
}

// TestEscapes tries the ways out of a bottle from inside its agent. Each must be
// refused, and each is tried by somebody who may, so that none is refused because
// the probe is broken.
func TestEscapes(t *testing.T) {
	s := newStage(t, escapeScript)
	other := newStage(t, `
p = image_rootfs("prober.tar")
pipelock([])
agent(p, entrypoint = ["/prober"], command = ["listen"])
`).launch(t)
	if err := other.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.cmd.Process.Kill(); _ = other.cmd.Wait() })
	l := s.launch(t)
	l.cmd.Stderr = &l.err
	agent := probe(t, l.cmd)
	other.until("the other agent runs", time.Minute, func() bool { return strings.Contains(other.out.String(), "listening") })

	w := newWorld(t, s, l.name, other.name)
	escapes := w.escapes(agent)
	for _, e := range escapes {
		agent.ask(e.what)
	}
	verdicts := make([]string, len(escapes))
	for i, e := range escapes {
		reached, how := agent.verdict()
		if verdicts[i] = "refused: " + how; reached {
			verdicts[i] = e.what + " was reached: " + how
		}
	}
	for i, e := range escapes {
		t.Run(e.name, func(t *testing.T) {
			e.control.t = t
			if e.allowed == "" {
				e.allowed = e.what
			}
			e.control.ask(e.allowed)
			if reached, how := e.control.verdict(); !reached {
				t.Fatalf("the probe is broken: %s is refused where it is allowed: %s", e.allowed, how)
			}
			if !strings.HasPrefix(verdicts[i], "refused") {
				t.Error(verdicts[i])
			}
			t.Log(verdicts[i])
		})
	}
}

// A world is what is around a launch.
type world struct {
	t             *testing.T
	host          string // a port on which this machine listens, on every address
	addrs         []string
	plain         *probing // in a container on the engine's own bridge, with what docker gives
	six           *probing // on a bridge with IPv6
	egress        *probing // on the launch's own egress network
	within        *probing // on the other launch's inside network
	sockets       *probing // in a container with the engine's socket
	privileged    *probing
	metadata      *probing
	bridge6       string // the host's link-local address on that bridge
	own6          string // the host's link-local address on the launch's inside bridge
	server        string // the address of a plain container that listens
	launch, other string
}

func newWorld(t *testing.T, s stage, launch, other string) *world {
	t.Helper()
	w := &world{t: t, launch: launch, other: other}
	w.listen()
	label := "bottle.launch=" + launch + "-world"
	t.Cleanup(func() {
		for _, list := range []string{"docker ps -aq --filter label=%s | xargs -r docker rm -fv", "docker network ls -q --filter label=%s | xargs -r docker network rm"} {
			_ = exec.Command("sh", "-c", fmt.Sprintf(list, label)).Run() //nolint:noctx // also after the test's end
		}
	})
	run := func(args ...string) *probing {
		args = append([]string{"run", "-i", "--rm", "--label", label}, args...)
		return probe(t, exec.CommandContext(t.Context(), "docker", append(args, s.image, "/prober", "probe")...))
	}
	six := dockerLine(t, "network", "create", "--label", label, "--ipv6", "--subnet", "10.212.77.0/28", "--subnet", "fd00:b077:1e::/64", launch+"-six")
	meta := dockerLine(t, "network", "create", "--label", label, "--subnet", "169.254.169.240/28", launch+"-metadata")
	dockerLine(t, "run", "-d", "--label", label, "--network", meta, "--ip", "169.254.169.254", s.image, "/prober", "listen")
	id := dockerLine(t, "run", "-d", "--label", label, s.image, "/prober", "listen")
	w.server = dockerLine(t, "inspect", "-f", "{{.NetworkSettings.IPAddress}}", id)
	w.plain = run()
	w.six = run("--network", six)
	w.metadata = run("--network", meta)
	w.egress = run("--network", "bottle-"+launch+"-default-egress")
	w.within = run("--network", "bottle-"+other+"-default")
	w.sockets = run("-v", "/var/run/docker.sock:/var/run/docker.sock", "-v", "/var/run/docker.sock:/run/docker.sock")
	w.privileged = run("--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "--security-opt", "systempaths=unconfined")
	w.bridge6 = linkLocal(t, six)
	w.own6 = linkLocal(t, dockerLine(t, "network", "inspect", "-f", "{{.Id}}", "bottle-"+launch+"-default"))
	return w
}

// listen listens on every address of this machine, TCP and UDP.
func (w *world) listen() {
	w.t.Helper()
	l, err := new(net.ListenConfig).Listen(w.t.Context(), "tcp", ":0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = l.Close() })
	_, w.host, _ = net.SplitHostPort(l.Addr().String())
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, a := range addrs {
		if ip, _, err := net.ParseCIDR(a.String()); err == nil && !ip.IsLoopback() && ip.To4() != nil && !strings.HasPrefix(ip.String(), "10.21") {
			w.addrs = append(w.addrs, ip.String())
		}
	}
}

// linkLocal is this machine's fe80:: address on the bridge of a network, or "".
func linkLocal(t *testing.T, network string) string {
	t.Helper()
	i, err := net.InterfaceByName("br-" + network[:12])
	if err != nil {
		t.Fatal(err)
	}
	addrs, err := i.Addrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if ip, _, err := net.ParseCIDR(a.String()); err == nil && ip.To4() == nil && ip.IsLinkLocalUnicast() {
			return ip.String()
		}
	}
	return ""
}

// address is that of a container of a launch on one of its networks.
func (w *world) address(launch, container, network string) string {
	w.t.Helper()
	format := fmt.Sprintf("{{(index .NetworkSettings.Networks %q).IPAddress}}", "bottle-"+launch+"-"+network)
	return dockerLine(w.t, "inspect", "-f", format, "bottle-"+launch+"-"+container)
}
