package starlib

import (
	"slices"
	"strings"

	"go.starlark.net/starlark"
)

// A Builtin is a function that scripts can call. The table of them drives the
// unpacking of arguments, the messages about mistakes and the manual.
type Builtin struct {
	Module string // "secret" for secret.env; empty for most
	Name   string
	// Doc is its manual: what it declares or returns, in one or more sentences.
	Doc    string
	Params []Arg
	// Declares is whether a call adds to the launch, which is an error while a
	// module is loading.
	Declares bool

	call func(c *call) (starlark.Value, error)
}

// An Arg is a parameter of a builtin.
type Arg struct {
	Name string
	// Type is how the manual calls the type: "string", "list of routes".
	Type string
	// Default as a script would write it; empty means that it must be given.
	Default string
	// Keyword parameters are given by name only.
	Keyword bool
	Doc     string
}

// FullName is how a script spells the builtin: "secret.env".
func (b *Builtin) FullName() string {
	if b.Module != "" {
		return b.Module + "." + b.Name
	}
	return b.Name
}

// Signature is the head of the manual: `network(name="default", *, subnet=None)`.
func (b *Builtin) Signature() string {
	var parts []string
	star := false
	for _, p := range b.Params {
		if p.Keyword && !star {
			parts, star = append(parts, "*"), true
		}
		if p.Default == "" {
			parts = append(parts, p.Name)
		} else {
			parts = append(parts, p.Name+"="+p.Default)
		}
	}
	return b.FullName() + "(" + strings.Join(parts, ", ") + ")"
}

// brief is the head of the manual without what is given by name only.
func (b *Builtin) brief() string {
	var parts []string
	for _, p := range b.Params {
		if p.Keyword {
			parts = append(parts, "…")
			break
		}
		parts = append(parts, p.Name)
	}
	return b.FullName() + "(" + strings.Join(parts, ", ") + ")"
}

// Builtins returns the table, in the order of the manual. The caller may change
// the slice, not what it points to.
func Builtins() []*Builtin {
	return slices.Concat(topology(), credentials(), content(), language())
}

// builtin makes b callable in this session.
func (s *session) builtin(b *Builtin) *starlark.Builtin {
	return starlark.NewBuiltin(b.FullName(), func(t *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		c := &call{s: s, fn: b}
		stack := t.CallStack()
		c.pos, c.via = s.caller(stack)
		if b.Declares && len(s.loading) > 0 {
			return nil, c.errorf("declares a part of a launch, which a module may not do while it is loaded; put the call in a function that the launch script calls")
		}
		if err := c.unpack(args, kwargs); err != nil {
			return nil, err
		}
		v, err := b.call(c)
		if c.err != nil { // the first wrong argument is the cause of what follows
			return nil, c.err
		}
		return v, err
	})
}
