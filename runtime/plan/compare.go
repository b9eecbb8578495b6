package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Comparison is what distinguishes two plans. Places in the script do not count,
// nor does the order of nodes.
type Comparison struct {
	// From and To are the digests of the plans.
	From, To string
	// Inputs are the new Stdin of each sidecar that differs in nothing else, and
	// Former what it was: its configuration and its secrets can change while it
	// runs.
	Inputs, Former map[ID][]Input
	// Other is everything else, in the order of the nodes.
	Other []Difference
}

// A Difference is a node that is not the same in two plans.
type Difference struct {
	Node  ID
	Place Pos
	// What are the fields of its operation that differ, "env", "mounts"; or
	// "is new", or "is gone".
	What []string
}

func (d Difference) String() string {
	return fmt.Sprintf("%s: %s: %s", d.Place, d.Node, strings.Join(d.What, ", "))
}

// Compare compares two plans in their JSON form.
func Compare(from, to []byte) (*Comparison, error) {
	a, err := parse(from)
	if err != nil {
		return nil, err
	}
	b, err := parse(to)
	if err != nil {
		return nil, err
	}
	c := &Comparison{From: a.Digest, To: b.Digest, Inputs: map[ID][]Input{}, Former: map[ID][]Input{}}
	for _, n := range b.Nodes {
		i := slices.IndexFunc(a.Nodes, func(o parsedNode) bool { return o.ID == n.ID })
		if i < 0 {
			c.Other = append(c.Other, Difference{n.ID, n.Pos, []string{"is new"}})
			continue
		}
		c.node(a.Nodes[i], n)
	}
	for _, o := range a.Nodes {
		if !slices.ContainsFunc(b.Nodes, func(n parsedNode) bool { return o.ID == n.ID }) {
			c.Other = append(c.Other, Difference{o.ID, o.Pos, []string{"is gone"}})
		}
	}
	return c, nil
}

// Inputs returns what the sidecars of a plan in its JSON form read, by container;
// nothing of one that reads what is not in the plan in full.
func Inputs(plan []byte) (map[ID][]Input, error) {
	p, err := parse(plan)
	if err != nil {
		return nil, err
	}
	found := map[ID][]Input{}
	for _, n := range p.Nodes {
		if !n.isSidecar() {
			continue
		}
		if inputs, err := parseInputs(n.Op["stdin"]); err == nil {
			found[n.ID] = inputs
		}
	}
	return found, nil
}

type parsedPlan struct {
	Version int          `json:"version"`
	Digest  string       `json:"digest"`
	Nodes   []parsedNode `json:"nodes"`
}

type parsedNode struct {
	ID   ID                         `json:"id"`
	Kind string                     `json:"op"`
	Op   map[string]json.RawMessage `json:"with"`
	Deps []ID                       `json:"deps"`
	Pos  Pos                        `json:"pos"`
}

func (n parsedNode) isSidecar() bool {
	return n.Kind == kindOf(Container{}) && string(n.Op["role"]) == `"`+string(Sidecar)+`"`
}

func parse(b []byte) (*parsedPlan, error) {
	var p parsedPlan
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, fmt.Errorf("reading a plan: %w", err)
	}
	if p.Version != Version {
		return nil, fmt.Errorf("reading a plan: its version is %d, and this bottle knows %d", p.Version, Version)
	}
	return &p, nil
}

// node compares two nodes of one ID.
func (c *Comparison) node(a, b parsedNode) {
	var what []string
	if a.Kind != b.Kind {
		what = append(what, "op")
	}
	if !slices.Equal(a.Deps, b.Deps) {
		what = append(what, "deps")
	}
	fields := map[string]bool{}
	for _, k := range slices.Concat(slices.Collect(maps.Keys(a.Op)), slices.Collect(maps.Keys(b.Op))) {
		fields[k] = !bytes.Equal(a.Op[k], b.Op[k])
	}
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		if fields[k] {
			what = append(what, k)
		}
	}
	if slices.Equal(what, []string{"stdin"}) && b.isSidecar() {
		former, err1 := parseInputs(a.Op["stdin"])
		inputs, err2 := parseInputs(b.Op["stdin"])
		if err1 == nil && err2 == nil && slices.Equal(fixed(former), fixed(inputs)) {
			c.Former[b.ID], c.Inputs[b.ID] = former, inputs
			return
		}
	}
	if len(what) > 0 {
		c.Other = append(c.Other, Difference{b.ID, b.Pos, what})
	}
}

// fixed are the names of the inputs that cannot change while their sidecar runs:
// what was generated for the launch.
func fixed(inputs []Input) []string {
	var names []string
	for _, in := range inputs {
		if g, ok := in.Source.(Generated); ok {
			names = append(names, fmt.Sprintf("%s %s %s", in.Name, g.Kind, g.Name))
		}
	}
	slices.Sort(names)
	return names
}

func parseInputs(raw json.RawMessage) ([]Input, error) {
	var list []struct {
		Name   string          `json:"name"`
		Source json.RawMessage `json:"source"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, err
	}
	inputs := make([]Input, len(list))
	for i, in := range list {
		source, err := parseSource(in.Source)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", in.Name, err)
		}
		inputs[i] = Input{in.Name, source}
	}
	return inputs, nil
}

// parseSource reads a source that is in the plan in full, or by name.
func parseSource(raw json.RawMessage) (Source, error) {
	var s struct {
		JSON      json.RawMessage `json:"json"`
		Secret    SecretKind      `json:"secret"`
		Generated GeneratedKind   `json:"generated"`
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, err
	}
	switch {
	case s.JSON != nil:
		return Literal(s.JSON), nil
	case s.Secret != "":
		var secret Secret
		err := json.Unmarshal(raw, &secret)
		return secret, err
	case s.Generated != "":
		var g Generated
		err := json.Unmarshal(raw, &g)
		return g, err
	}
	return nil, fmt.Errorf("its content is not in the plan")
}
