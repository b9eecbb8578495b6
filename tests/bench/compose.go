package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// dict is an object of a Compose file.
type dict = map[string]any

// subnets are those of the Compose side, inside and egress, with the half that the
// engine takes addresses from, as on bottle's side. Those of bottle come from
// 10.213.0.0/16.
var subnets = map[bool]dict{ //nolint:gochecknoglobals // a table
	true:  {"subnet": "10.212.213.0/28", "ip_range": "10.212.213.8/29"},
	false: {"subnet": "10.212.213.16/28", "ip_range": "10.212.213.24/29"},
}

// address is the n-th address of the inside network.
func address(n int) string { return fmt.Sprintf("10.212.213.%d", n) }

// writeCompose writes a Compose project for the launch into dir: compose.json, which
// is YAML too, and what its containers mount. images are by node.
func writeCompose(dir string, l launch, m *material, images map[string]string, feed string) error {
	networks, configs, services := dict{}, dict{}, dict{}
	for id, internal := range l.internal {
		networks[short(id)] = network(internal)
	}
	for id, c := range l.containers {
		s := service(l, c, images[id])
		if c.Role == "sidecar" {
			if err := sidecar(dir, s, m, id, c, feed); err != nil {
				return err
			}
		}
		in := []dict{}
		for i, f := range c.Files {
			b, err := m.bytes(f.Source)
			if err != nil {
				return err
			}
			name := fmt.Sprintf("%s-%d", short(id), i)
			configs[name] = dict{"content": strings.ReplaceAll(string(b), "$", "$$")}
			in = append(in, dict{"source": name, "target": f.Path, "mode": f.Mode})
		}
		s["configs"] = in
		services[short(id)] = s
	}
	b, err := json.Marshal(dict{"services": services, "networks": networks, "configs": configs})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "compose.json"), b, 0o600)
}

// short is the part of a node's ID after its kind.
func short(id string) string {
	_, name, _ := strings.Cut(id, ":")
	return name
}

func network(internal bool) dict {
	n := dict{"internal": internal, "enable_ipv6": false, "ipam": dict{"config": []dict{subnets[internal]}}}
	if internal {
		n["driver_opts"] = dict{"com.docker.network.bridge.inhibit_ipv4": "true"}
	}
	return n
}

// service is a container, with all that bottle gives it.
func service(l launch, c container, image string) dict {
	s := dict{
		"image": image, "pull_policy": "never", "init": c.Role != "sidecar", "read_only": c.ReadOnly,
		"security_opt": []string{"no-new-privileges"}, "logging": dict{"driver": "none"},
		"pids_limit": c.Limits.PIDs, "stop_grace_period": "1s",
	}
	if c.Env != nil {
		s["environment"] = c.Env
	}
	if c.Entrypoint != nil {
		s["entrypoint"] = c.Entrypoint
	}
	if c.Role != "service" {
		s["cap_drop"] = []string{"ALL"}
	}
	if c.Limits.Memory > 0 {
		s["mem_limit"], s["memswap_limit"] = c.Limits.Memory, c.Limits.Memory
	}
	if c.DNS != nil {
		s["dns"] = []string{address(c.DNS.Host)}
	}
	nets := dict{}
	for _, ep := range c.Networks {
		n := dict{"aliases": append([]string{}, ep.Aliases...)}
		if ep.Host != 0 {
			n["ipv4_address"] = address(ep.Host)
		}
		nets[short(ep.Network)] = n
	}
	s["networks"] = nets
	if c.Role == "agent" {
		s["command"] = []string{work}
		needs := dict{}
		for id, other := range l.containers {
			switch other.Role {
			case "sidecar":
				needs[short(id)] = dict{"condition": "service_healthy"}
			case "service":
				needs[short(id)] = dict{"condition": "service_started"}
			}
		}
		s["depends_on"] = needs
	}
	return s
}

// sidecar adds what stands in for the launcher.
func sidecar(dir string, s dict, m *material, id string, c container, feed string) error {
	message, err := m.message(c)
	if err != nil {
		return err
	}
	input := filepath.Join(dir, short(id)+".input")
	if err := os.WriteFile(input, message, 0o644); err != nil { //nolint:gosec // a user of the container reads it
		return err
	}
	var config struct{ Listen string }
	for _, in := range c.Stdin {
		if in.Name == "config" {
			if err := json.Unmarshal(in.Source.JSON, &config); err != nil {
				return err
			}
		}
	}
	s["entrypoint"] = append([]string{"/feed", "run", "/input", "/bottle"}, c.Command...)
	s["volumes"] = []string{feed + ":/feed:ro", input + ":/input:ro"}
	s["healthcheck"] = dict{
		"test": []string{"CMD", "/feed", "check", "127.0.0.1" + config.Listen}, "interval": "100ms", "timeout": "5s", "retries": 100,
	}
	return nil
}
