package cmd

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/bottle-run/bottle/runtime/launch"
	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/sidecar/credproxy"
	"github.com/bottle-run/bottle/sidecar/pipelock"
)

// preflight shows what a launch may do, and asks where there is somebody to ask.
func preflight(w io.Writer, p *plan.Plan, name string, yes bool) error {
	fmt.Fprint(w, describePlan(p, name))
	return confirm(w, "Launch it?", "not launched", yes)
}

// confirm asks, where there is somebody to ask.
func confirm(w io.Writer, question, no string, yes bool) error {
	if yes {
		return nil
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		if os.Getenv("CI") != "" {
			return nil
		}
		return usage{fmt.Errorf("there is nobody to ask whether to go ahead: add --yes, or set CI")}
	}
	fmt.Fprintf(w, "%s [y/N] ", question)
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil && err != io.EOF {
		return err
	}
	if answer := strings.ToLower(strings.TrimSpace(line)); answer == "y" || answer == "yes" {
		return nil
	}
	return coded{errors.New(no), launch.ExitFailure}
}

// describePlan says in words what a plan means: what runs, what it may reach, which
// credential goes where, what it sees of the host.
func describePlan(p *plan.Plan, name string) string {
	var b strings.Builder
	row := func(head, format string, args ...any) {
		fmt.Fprintf(&b, "  %-11s %s\n", head, strings.Map(oneLine, fmt.Sprintf(format, args...)))
	}
	fmt.Fprintf(&b, "%s (%.19s)\n", name, p.Digest())
	for _, n := range p.Containers(plan.Agent, plan.Service) {
		c, _ := n.Op.(plan.Container)
		row(string(c.Role), "%s: %s %s", n.ID.Name(), c.Image.Name(), strings.Join(c.Command, " "))
		for _, m := range c.Mounts {
			describeMount(row, m)
		}
	}
	for _, n := range p.Nodes() {
		c, ok := n.Op.(plan.Container)
		if !ok {
			continue
		}
		for _, in := range c.Stdin {
			if config, ok := in.Source.(plan.Literal); ok {
				describeConfig(row, in.Name, config, n)
			}
		}
	}
	if !slices.ContainsFunc(p.Nodes(), func(n *plan.Node) bool { return n.ID.Kind() == "start" && strings.HasSuffix(n.ID.Name(), "pipelock") }) {
		row("may reach", "nothing outside: there is no pipelock()")
	}
	return b.String()
}

func oneLine(r rune) rune {
	if r < ' ' || r == 0x7f {
		return ' '
	}
	return r
}

func describeMount(row func(string, string, ...any), m plan.Mount) {
	access := "read and write"
	if m.ReadOnly {
		access = "read"
	}
	switch m.Kind {
	case plan.Bind:
		source := m.Source
		if source == "." {
			source = "the script's directory"
		}
		row("  sees", "%s of this machine at %s (%s)", source, m.Target, access)
	case plan.Vol:
		row("  sees", "volume %s at %s (%s)", m.Volume.Name(), m.Target, access)
	case plan.Tmpfs:
	}
}

// describeConfig describes the configuration of a sidecar.
func describeConfig(row func(string, string, ...any), input string, config plan.Literal, n *plan.Node) {
	if input != "config" {
		return
	}
	var gate pipelock.Config
	var keys credproxy.Config
	switch {
	case strings.HasSuffix(n.ID.Name(), "pipelock") && json.Unmarshal(config, &gate) == nil:
		for _, r := range gate.Allow {
			row("may reach", "%s", describeRule(r))
		}
		describeGaps(row, gate)
	case json.Unmarshal(config, &keys) == nil:
		for i := range keys.Routes {
			showRoute(row, &keys.Routes[i], keys.Agents)
		}
	}
}

// describeGaps names what a gate does not do.
func describeGaps(row func(string, string, ...any), gate pipelock.Config) {
	if len(gate.Allow) == 0 {
		row("may reach", "no host of the outside")
	}
	for _, h := range gate.Passthrough {
		row("unread", "%s: its TLS is not opened", h)
	}
	if gate.DLP != "block" {
		row("secrets", "what looks like one is not stopped (dlp = %q)", gate.DLP)
	}
	for _, r := range gate.Allow {
		if r.TCP {
			row("unread", "%s: what goes through it is not HTTP", describeRule(r))
		}
		if r.DLP != "" && r.DLP != "block" {
			row("secrets", "what looks like one is not stopped on its way to %s (dlp = %q)", r.Host, r.DLP)
		}
	}
	for _, e := range gate.DLPAllow {
		row("secrets", "what looks like %s is let through%s", e.Rule, excused(e))
	}
}

// excused says where, and which values.
func excused(e pipelock.Excuse) string {
	var s string
	if e.Host != "" || e.Path != "" {
		s = " to " + e.Host + e.Path
	}
	if e.Hash != "" {
		s += ", the value " + e.Hash + " alone"
	}
	return s
}

func describeRule(r pipelock.Rule) string {
	s := r.Host
	if len(r.Ports) > 0 {
		s += fmt.Sprintf(" ports %v", r.Ports)
	}
	if r.MaxBody > 0 {
		s += fmt.Sprintf(" bodies up to %d bytes", r.MaxBody)
	}
	if r.Rate != nil {
		s += fmt.Sprintf(" %d requests in %d s", r.Rate.Requests, r.Rate.Seconds)
	}
	if r.Bytes > 0 {
		s += fmt.Sprintf(" %d bytes in all", r.Bytes)
	}
	if r.For > 0 {
		s += fmt.Sprintf(" for %d s", r.For)
	}
	if r.Uses > 0 {
		s += fmt.Sprintf(" %d times", r.Uses)
	}
	return s + limits(r.Methods, r.Paths)
}

func limits(methods, paths []string) string {
	s := ""
	if len(methods) > 0 {
		s += " " + strings.Join(methods, ", ")
	}
	if len(paths) > 0 {
		s += " " + strings.Join(paths, ", ")
	}
	return s
}
