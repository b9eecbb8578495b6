package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Version is the version of the JSON form. It changes when a field goes away or
// changes its meaning, not when one is added.
const Version = 1

type jsonPlan struct {
	Version int        `json:"version"`
	Digest  string     `json:"digest,omitempty"`
	Nodes   []jsonNode `json:"nodes"`
}

type jsonNode struct {
	ID   ID     `json:"id"`
	Kind string `json:"op"`
	Op   Op     `json:"with"`
	Deps []ID   `json:"deps,omitempty"`
	Pos  Pos    `json:"pos"`
	Via  []Pos  `json:"via,omitempty"`
}

func (p *Plan) json(digest string) jsonPlan {
	out := jsonPlan{Version: Version, Digest: digest, Nodes: make([]jsonNode, len(p.nodes))}
	for i, n := range p.nodes {
		out.Nodes[i] = jsonNode{n.ID, kindOf(n.Op), n.Op, n.Deps, n.Pos, n.Via}
	}
	return out
}

// MarshalJSON implements json.Marshaler. The form is documented in docs/plan.md;
// the same plan gives the same bytes.
func (p *Plan) MarshalJSON() ([]byte, error) { return json.Marshal(p.json(p.Digest())) }

// Digest names the plan exactly: "sha256:" and the hex SHA-256 of its JSON form
// without the digest. Two plans with one digest do the same.
func (p *Plan) Digest() string {
	b, err := json.Marshal(p.json(""))
	if err != nil {
		panic(err) // every field is plain data
	}
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// String renders the plan one node a line: its ID, what it does, what it waits
// for and its place in the script. It is what `bottle plan` prints and what the
// golden files under tests hold.
func (p *Plan) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, n := range p.nodes {
		after := ""
		if len(n.Deps) > 0 {
			after = "<- " + join(n.Deps)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t# %s\n", n.ID, n.Op, after, n.Place())
	}
	_ = w.Flush() // a strings.Builder takes everything
	return b.String()
}

// DOT renders the graph in Graphviz' language, an arrow from each node to those
// it waits for.
func (p *Plan) DOT() string {
	var b strings.Builder
	b.WriteString("digraph plan {\n\trankdir=RL\n\tnode [shape=box fontname=\"sans-serif\"]\n")
	for _, n := range p.nodes {
		fmt.Fprintf(&b, "\t%s [label=%s]\n", quoteDOT(string(n.ID)), quoteDOT(string(n.ID)+"\n"+n.Op.String()))
	}
	for _, n := range p.nodes {
		for _, dep := range n.Deps {
			fmt.Fprintf(&b, "\t%s -> %s\n", quoteDOT(string(n.ID)), quoteDOT(string(dep)))
		}
	}
	b.WriteString("}\n")
	return b.String()
}

// quoteDOT quotes s as DOT does: only the quote and the backslash are special,
// and "\n" begins a new line.
func quoteDOT(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

func kindOf(op Op) string {
	switch op.(type) {
	case Image:
		return "image"
	case ImageBuild:
		return "image-build"
	case ImageRootfs:
		return "image-rootfs"
	case ImageSidecar:
		return "image-sidecar"
	case Network:
		return "network"
	case Volume:
		return "volume"
	case Container:
		return "container"
	case Start:
		return "start"
	}
	panic(fmt.Sprintf("plan: unknown op %T", op))
}

func (o Image) String() string {
	if o.Pull == PullMissing || o.Pull == "" {
		return "image " + o.Ref
	}
	return fmt.Sprintf("image %s, pull %s", o.Ref, o.Pull)
}

func (o ImageBuild) String() string  { return fmt.Sprintf("build %s in %s", o.Dockerfile, o.Context) }
func (o ImageRootfs) String() string { return "image of " + o.Tar }
func (ImageSidecar) String() string  { return "image of bottle itself" }

func (o Network) String() string {
	s := "network with a route out"
	if o.Internal {
		s = "network without a route out"
	}
	if o.Subnet != "" {
		s += " on " + o.Subnet
	}
	return s
}

func (o Volume) String() string {
	if o.Keep != "" {
		return "volume " + o.Keep + ", kept"
	}
	return "volume"
}

func (o Container) String() string {
	s := fmt.Sprintf("create %s from %s", o.Role, o.Image.Name())
	if len(o.Command) > 0 {
		s += ": " + strings.Join(o.Command, " ")
	}
	if r := []rune(s); len(r) > 72 {
		s = string(r[:71]) + "…"
	}
	return strings.Map(printable, s)
}

func (o Start) String() string { return "start, wait until " + string(o.Ready) }

// printable keeps a plan one line a node, whatever a command holds.
func printable(r rune) rune {
	if !strconv.IsPrint(r) {
		return ' '
	}
	return r
}

func join(ids []ID) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = string(id)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
