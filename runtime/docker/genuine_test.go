package docker_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bottle-run/bottle/runtime"
	"github.com/bottle-run/bottle/runtime/docker"
	"github.com/bottle-run/bottle/runtime/plan"
)

// TestTagIsNoProof: an image that somebody else gave the name of ours is not run, be
// it other content or ours with another configuration.
func TestTagIsNoProof(t *testing.T) {
	for name, config := range map[string]ocispec.ImageConfig{
		"content":       {},
		"configuration": {User: "0", Entrypoint: []string{"/probe", "print"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.name = strings.ReplaceAll(b.name, "/", "-")
			content, err := os.ReadFile(b.tar)
			if err != nil {
				t.Fatal(err)
			}
			ref := fmt.Sprintf("bottle-rootfs:%x", sha256.Sum256(content))[:len("bottle-rootfs:")+16]
			if name == "content" {
				content = make([]byte, 1024) // the archive of nothing
			}
			planted := b.plant(t, ref, content, config)
			if out, code := b.run(t, docker.Streams{}, "print"); strings.Count(out, "line") != 200 || code != 7 {
				t.Errorf("exit status %d, want 7:\n%s", code, out)
			}
			found, err := b.api.ImageInspect(t.Context(), ref)
			if err != nil || found.ID == planted {
				t.Errorf("%s is %s, as planted (%v)", ref, found.ID, err)
			}
		})
	}
}

// plant loads an image of one layer under a name and returns its ID.
func (b *bench) plant(t *testing.T, ref string, layer []byte, config ocispec.ImageConfig) string {
	t.Helper()
	version, err := b.api.ServerVersion(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	rootfs := map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer))}}
	for _, f := range []struct {
		name string
		v    any
	}{
		{"manifest.json", []map[string]any{{"Config": "config.json", "RepoTags": []string{ref}, "Layers": []string{"layer.tar"}}}},
		{"config.json", map[string]any{"architecture": version.Arch, "os": "linux", "config": config, "rootfs": rootfs}},
		{"layer.tar", layer},
	} {
		data, raw := f.v.([]byte)
		if !raw {
			if data, err = json.Marshal(f.v); err != nil {
				t.Fatal(err)
			}
		}
		_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: 0o644, Size: int64(len(data))})
		_, _ = w.Write(data)
	}
	_ = w.Close()
	resp, err := b.api.ImageLoad(t.Context(), &archive, client.ImageLoadWithQuiet(true))
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	_, _ = said.ReadFrom(resp.Body)
	_ = resp.Body.Close()
	found, err := b.api.ImageInspect(t.Context(), ref)
	if err != nil {
		t.Fatalf("%v: the engine said %s", err, &said)
	}
	t.Cleanup(func() {
		_ = b.c.Remove(context.WithoutCancel(t.Context()), []docker.Object{{Kind: "image", ID: found.ID}})
	})
	return found.ID
}

// TestDiffers: the whole of a digest and of a configuration counts.
func TestDiffers(t *testing.T) {
	t.Parallel()
	const digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	config := ocispec.ImageConfig{User: "65532:65532", Entrypoint: []string{"/bottle"}, Labels: map[string]string{"a": "b"}}
	inspected := `{"Os": "linux", "Architecture": "arm64", "RootFS": {"Layers": ["sha256:` + digest + `"]},
		"Config": {"User": "65532:65532", "Entrypoint": ["/bottle"], "Labels": {"a": "b"}, "Env": null, "Cmd": [], "Hostname": "", "OnBuild": null}}`
	for change, to := range map[string]string{
		"":                       "",
		digest:                   digest[:63] + "0",
		`["sha256:` + digest:     `["sha256:` + digest + `", "sha256:` + digest,
		`"arm64"`:                `"amd64"`,
		`"linux"`:                `"windows"`,
		`"65532:65532"`:          `"0"`,
		`"Env": null`:            `"Env": ["LD_PRELOAD=/x"]`,
		`"Cmd": []`:              `"Cmd": ["x"]`,
		`["/bottle"]`:            `["/bottle", "x"]`,
		`"OnBuild": null`:        `"OnBuild": ["RUN x"]`,
		`"Hostname": ""`:         `"Healthcheck": {"Test": ["CMD", "/x"]}`,
		`"Labels": {"a": "b"}, `: ``,
	} {
		var found image.InspectResponse
		if err := json.Unmarshal([]byte(strings.Replace(inspected, change, to, 1)), &found); err != nil {
			t.Fatal(err)
		}
		if why, err := docker.Differs(found, "arm64", digest, config); err != nil || (why == "") != (change == "") {
			t.Errorf("%s for %s: %q, %v", to, change, why, err)
		}
	}
}

// TestFixedAddressOnTheFirstNetwork: Host holds on a container's first network too.
func TestFixedAddressOnTheFirstNetwork(t *testing.T) {
	b := newBench(t)
	p := new(plan.Plan)
	add(t, p, "image:probe", plan.ImageRootfs{Tar: b.tar})
	add(t, p, "network:default", plan.Network{Internal: true, Hosts: 2})
	add(t, p, "container:agent", plan.Container{
		Role: plan.Agent, Image: "image:probe", Command: []string{"/probe", "keys"},
		Networks: []plan.Endpoint{{Network: "network:default", Host: 5}},
	}, "image:probe", "network:default")
	add(t, p, "start:agent", plan.Start{Container: "container:agent", Ready: plan.Running}, "container:agent")
	r, w := io.Pipe() // the agent waits for a key
	defer w.Close()
	s, err := (&runtime.Executor{Engine: b.engine(docker.Streams{In: r})}).Up(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	found, err := b.api.ContainerInspect(t.Context(), "bottle-"+b.name+"-agent")
	if err != nil {
		t.Fatal(err)
	}
	if len(found.NetworkSettings.Networks) != 1 {
		t.Errorf("it is on %d networks", len(found.NetworkSettings.Networks))
	}
	for name, at := range found.NetworkSettings.Networks {
		subnet, err := netip.ParsePrefix(fmt.Sprintf("%s/%d", at.IPAddress, at.IPPrefixLen))
		if err != nil || subnet.Addr().As4()[3]-subnet.Masked().Addr().As4()[3] != 5 {
			t.Errorf("it is %s on %s, not the fifth (%v)", subnet, name, err)
		}
	}
	if err := s.Down(t.Context()); err != nil {
		t.Error(err)
	}
}
