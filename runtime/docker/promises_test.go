package docker_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/network"

	"github.com/bottle-run/bottle/runtime/docker"
	"github.com/bottle-run/bottle/runtime/plan"
)

// TestFastExitLosesNothing: a container that prints and exits at once has all of its
// output delivered, and its status, because the attachment precedes the start.
func TestFastExitLosesNothing(t *testing.T) {
	b := newBench(t)
	for range 5 {
		out, code := b.run(t, docker.Streams{}, "print")
		if n := strings.Count(out, "line"); n != 200 || code != 7 {
			t.Fatalf("%d lines of 200, exit status %d; want 7", n, code)
		}
	}
}

// TestInside: what an agent sees of its surroundings: no IPv6, no capability, no name
// of the outside, and no host by any of its addresses.
func TestInside(t *testing.T) {
	b := newBench(t)
	host := listen(t)
	out, _ := b.run(t, docker.Streams{}, append([]string{"inside"}, host...)...)
	want := []string{"disable_ipv6 1", "CapEff: 0000000000000000", "CapBnd: 0000000000000000", "NoNewPrivs: 1", "lookup true true"}
	for _, addr := range host {
		want = append(want, "dial "+addr+" true")
	}
	for _, line := range want {
		if !strings.Contains(out, line) {
			t.Errorf("no %q in\n%s", line, out)
		}
	}
}

// TestOverlapIsRefused: a fixed subnet inside, or around, that of another network
// is an error, not a second network on the same addresses.
func TestOverlapIsRefused(t *testing.T) {
	for _, sub := range []string{"10.213.250.0/24", "10.213.250.0/28", "10.213.250.0/30"} {
		t.Run(strings.ReplaceAll(sub, "/", "-"), func(t *testing.T) {
			b := newBench(t)
			b.name = strings.NewReplacer("/", "-", "#", "-").Replace(b.name)
			other, err := b.api.NetworkCreate(t.Context(), b.name+"-other", network.CreateOptions{
				Driver: "bridge", Internal: true, Labels: map[string]string{docker.LabelLaunch: b.name},
				IPAM:    &network.IPAM{Config: []network.IPAMConfig{{Subnet: sub}}},
				Options: map[string]string{"com.docker.network.bridge.inhibit_ipv4": "true"},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = b.api.NetworkRemove(context.WithoutCancel(t.Context()), other.ID) }()
			n := &plan.Node{ID: "network:default", Op: plan.Network{Internal: true, Hosts: 2, Subnet: "10.213.250.0/28"}}
			e := b.engine(docker.Streams{})
			if err := e.Do(t.Context(), n); err == nil || !strings.Contains(err.Error(), "leave subnet= out") {
				t.Errorf("beside %s: err = %v", sub, err)
			}
			if err := e.Undo(t.Context(), n); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestUndoLeavesOthersAlone: an object of our name that is another owner's survives.
func TestUndoLeavesOthersAlone(t *testing.T) {
	b := newBench(t)
	n := &plan.Node{ID: "volume:v", Op: plan.Volume{}}
	theirs := b.c.Launch(docker.Launch{Name: b.name, Owner: "somebody else"})
	if err := theirs.Do(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if err := b.engine(docker.Streams{}).Undo(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if left, _ := b.c.Objects(t.Context(), b.name); len(left) != 1 {
		t.Fatalf("another owner's volume was removed: %v", left)
	}
	for range 2 { // undoing what is not there succeeds
		if err := theirs.Undo(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	if left, _ := b.c.Objects(t.Context(), b.name); len(left) != 0 {
		t.Fatalf("left behind %v", left)
	}
}

// TestMountsThatGiveTheHostAway are refused before the engine hears of them.
func TestMountsThatGiveTheHostAway(t *testing.T) {
	b := newBench(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/var/run", link); err != nil {
		t.Fatal(err)
	}
	for _, src := range []string{"/", "/var", "/proc", "/sys/fs", "/dev", "/etc/ssl", "/run", "/var/run/docker.sock", link} {
		n := &plan.Node{ID: "container:agent", Op: plan.Container{
			Role: plan.Agent, Mounts: []plan.Mount{{Kind: plan.Bind, Source: src, Target: "/x"}},
		}}
		if err := b.engine(docker.Streams{}).Do(t.Context(), n); err == nil || !strings.Contains(err.Error(), "mount of "+src) {
			t.Errorf("%s: err = %v", src, err)
		}
	}
}

// TestKeysReachTheAgent: what a user types arrives, also the keys by which the
// engine lets a terminal detach.
func TestKeysReachTheAgent(t *testing.T) {
	for name, key := range map[string]string{"ordinary": "a", "detach": "\x10\x11"} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.name = strings.NewReplacer("/", "-").Replace(b.name)
			// The end of the input would end the terminal, so it stays open.
			r, w := io.Pipe()
			defer w.Close()
			go func() {
				for _, k := range []byte(key + "\n") { // one by one, as they are typed
					_, _ = w.Write([]byte{k})
					time.Sleep(300 * time.Millisecond)
				}
			}()
			out, _ := b.run(t, docker.Streams{In: r, TTY: true}, "keys")
			if want := fmt.Sprintf("key %d", key[0]); !strings.Contains(out, want) {
				t.Errorf("the agent's output is %q, want %q in it", out, want)
			}
		})
	}
}
