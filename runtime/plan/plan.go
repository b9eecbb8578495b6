package plan

import (
	"fmt"
	"strings"
)

// An ID names a node: its kind and its name, "container:agent".
type ID string

// Kind returns the part of id before its colon.
func (id ID) Kind() string {
	kind, _, _ := strings.Cut(string(id), ":")
	return kind
}

// Name returns the part of id after its kind.
func (id ID) Name() string {
	_, name, _ := strings.Cut(string(id), ":")
	return name
}

// A Pos is a place in a launch script or in a module that it loads. File is the
// label by which it was loaded ("launch.star", "@stdlib//claude.star"); Line and
// Col count from 1, Col in characters.
type Pos struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Col  int    `json:"col"`
}

func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// A Node is one operation and the nodes that must be done before it begins.
type Node struct {
	ID   ID
	Op   Op
	Deps []ID
	// Pos is the call of the builtin that asked for the node; Via are the calls
	// around it, innermost first, when it was made inside a function.
	Pos Pos
	Via []Pos
}

// Place returns where to look in the script for the cause of n: the call in
// the launch script itself, followed by the builtin's call inside a module when
// that is elsewhere.
func (n *Node) Place() string {
	if len(n.Via) == 0 {
		return n.Pos.String()
	}
	outer := n.Via[len(n.Via)-1]
	if outer.File == n.Pos.File {
		return n.Pos.String()
	}
	return fmt.Sprintf("%s (in %s)", outer, n.Pos)
}

// A Plan is a set of nodes in an order that respects their dependencies.
// The zero Plan is empty and ready to use. It is not safe for concurrent
// changes; reading it concurrently is.
type Plan struct {
	nodes []*Node
	byID  map[ID]*Node
}

// Add appends n to the plan. Every dependency of n must have been added before
// it, which is why a Plan never holds a cycle and needs no check for one.
func (p *Plan) Add(n *Node) error {
	if old, ok := p.byID[n.ID]; ok {
		return fmt.Errorf("%s: %s is already declared at %s", n.Pos, n.ID, old.Pos)
	}
	for _, dep := range n.Deps {
		if _, ok := p.byID[dep]; !ok {
			return fmt.Errorf("%s: %s depends on %s, which is not declared before it", n.Pos, n.ID, dep)
		}
	}
	if p.byID == nil {
		p.byID = make(map[ID]*Node)
	}
	p.byID[n.ID] = n
	p.nodes = append(p.nodes, n)
	return nil
}

// Nodes returns the nodes, dependencies first. The caller must not modify them.
func (p *Plan) Nodes() []*Node { return p.nodes }

// Node returns the node called id, or nil.
func (p *Plan) Node(id ID) *Node { return p.byID[id] }

// Containers returns the nodes that make a container of one of the given roles,
// in plan order.
func (p *Plan) Containers(roles ...Role) []*Node {
	var found []*Node
	for _, n := range p.nodes {
		c, ok := n.Op.(Container)
		if !ok {
			continue
		}
		for _, r := range roles {
			if c.Role == r {
				found = append(found, n)
			}
		}
	}
	return found
}

// Secrets returns every secret that the plan refers to, each once, in plan
// order; those by which another is obtained stand before it.
func (p *Plan) Secrets() []Secret {
	var refs []Secret
	seen := map[string]bool{}
	var add func(Secret)
	add = func(s Secret) {
		for _, from := range s.From {
			add(from)
		}
		if !seen[s.String()] {
			seen[s.String()] = true
			refs = append(refs, s)
		}
	}
	for _, n := range p.nodes {
		c, ok := n.Op.(Container)
		if !ok {
			continue
		}
		for _, f := range c.Stdin {
			if s, ok := f.Source.(Secret); ok {
				add(s)
			}
		}
	}
	return refs
}

// SetCommand replaces the command of the one agent of the plan. It must be called
// before anybody else reads the plan.
func (p *Plan) SetCommand(argv []string) error {
	agents := p.Containers(Agent)
	if len(agents) != 1 {
		return fmt.Errorf("the launch has %d agents: which one is the command for?", len(agents))
	}
	op, _ := agents[0].Op.(Container)
	op.Command = argv
	agents[0].Op = op
	return nil
}
