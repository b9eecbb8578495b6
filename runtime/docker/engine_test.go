package docker_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/client"

	"github.com/bottle-run/bottle/runtime"
	"github.com/bottle-run/bottle/runtime/docker"
	"github.com/bottle-run/bottle/runtime/plan"
)

// probe is what runs in the containers of these tests.
const probe = `package main

import ("bufio"; "fmt"; "net"; "os"; "strings"; "time")

func main() {
	switch os.Args[1] {
	case "print":
		for i := range 200 { fmt.Println("line", i) }
		os.Exit(7)
	case "inside":
		b, _ := os.ReadFile("/proc/sys/net/ipv6/conf/eth0/disable_ipv6")
		fmt.Println("disable_ipv6", strings.TrimSpace(string(b)))
		b, _ = os.ReadFile("/proc/self/status")
		for l := range strings.Lines(string(b)) {
			if strings.HasPrefix(l, "CapEff") || strings.HasPrefix(l, "CapBnd") || strings.HasPrefix(l, "NoNewPrivs") { fmt.Println(strings.Join(strings.Fields(l), " ")) }
		}
		start := time.Now()
		_, err := net.LookupHost("name.invalid-zone.example")
		fmt.Println("lookup", err != nil, time.Since(start) < 4*time.Second)
		for _, a := range os.Args[2:] {
			c, err := net.DialTimeout("tcp", a, 2*time.Second)
			if err == nil { c.Close() }
			fmt.Println("dial", a, err != nil)
		}
	case "keys":
		r := bufio.NewReader(os.Stdin)
		b, _ := r.ReadByte()
		fmt.Println("key", b)
	}
}
`

type bench struct {
	c    *docker.Client
	api  *client.Client
	tar  string
	name string
}

// newBench finds the engine and removes whatever the test left on it.
func newBench(t *testing.T) *bench {
	t.Helper()
	c, err := docker.Connect(t.Context(), "")
	if err != nil {
		if os.Getenv("BOTTLE_REQUIRE_DOCKER") == "1" {
			t.Fatal(err)
		}
		t.Skipf("needs a Docker engine: %v", err)
	}
	api, err := client.NewClientWithOpts(client.WithHost(c.Host), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{c: c, api: api, name: strings.ToLower(t.Name()) + fmt.Sprint(os.Getpid()), tar: rootfs(t)}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		left, err := c.Objects(ctx, b.name)
		if data, err := os.ReadFile(b.tar); err == nil { // only the image of this very archive
			left = append(left, docker.Object{Kind: "image", ID: fmt.Sprintf("bottle-rootfs:%x", sha256.Sum256(data))[:len("bottle-rootfs:")+16]})
		}
		if err == nil {
			err = c.Remove(ctx, left)
		}
		if err != nil {
			t.Error(err)
		}
		_ = api.Close()
		_ = c.Close()
	})
	return b
}

// rootfs is an archive with the static probe as its one file.
func rootfs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	src, exe := filepath.Join(dir, "probe.go"), filepath.Join(dir, "probe")
	if err := os.WriteFile(src, []byte(probe), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", exe, src)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "probe", Mode: 0o755, Size: int64(len(data))})
	_, _ = w.Write(data)
	_ = w.Close()
	path := filepath.Join(dir, "rootfs.tar")
	if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (b *bench) engine(streams docker.Streams) *docker.Engine {
	return b.c.Launch(docker.Launch{
		Name: b.name, Owner: "test", Pool: netip.MustParsePrefix("10.213.128.0/17"),
		Streams: func(*plan.Node) docker.Streams { return streams },
	})
}

func add(t *testing.T, p *plan.Plan, id plan.ID, op plan.Op, deps ...plan.ID) {
	t.Helper()
	n := &plan.Node{ID: id, Op: op, Deps: deps, Pos: plan.Pos{File: "x.star", Line: 1, Col: 1}}
	if err := p.Add(n); err != nil {
		t.Fatal(err)
	}
}

// run launches one agent on an internal network, and returns its output and exit
// status. Nothing must be left afterwards.
func (b *bench) run(t *testing.T, streams docker.Streams, command ...string) (string, int) {
	t.Helper()
	var mu sync.Mutex
	var out bytes.Buffer
	streams.Out = writer(func(p []byte) (int, error) { mu.Lock(); defer mu.Unlock(); return out.Write(p) })
	streams.Err = streams.Out
	p := new(plan.Plan)
	add(t, p, "image:probe", plan.ImageRootfs{Tar: b.tar})
	add(t, p, "network:default", plan.Network{Internal: true, Hosts: 2})
	add(t, p, "container:agent", plan.Container{
		Role: plan.Agent, Image: "image:probe", Command: append([]string{"/probe"}, command...),
		Networks: []plan.Endpoint{{Network: "network:default"}},
	}, "image:probe", "network:default")
	add(t, p, "start:agent", plan.Start{Container: "container:agent", Ready: plan.Running}, "container:agent")
	e := b.engine(streams)
	s, err := (&runtime.Executor{Engine: e}).Up(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	code, err := e.Wait(t.Context(), "container:agent")
	if err := s.Down(t.Context()); err != nil {
		t.Error(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if left, err := b.c.Objects(t.Context(), b.name); err != nil || len(left) > 0 {
		t.Errorf("left behind %v, %v", left, err)
	}
	mu.Lock()
	defer mu.Unlock()
	return out.String(), code
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
