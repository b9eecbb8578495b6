package starlib

import (
	"fmt"
	"hash/fnv"

	"go.starlark.net/starlark"
)

// An opaque value is what a builtin returns: a handle on something declared, or a
// part to declare something with. It never changes.
type opaque[T any] struct {
	v     T
	typ   string
	text  string // how it prints
	attrs starlark.StringDict
}

var _ starlark.HasAttrs = (*opaque[int])(nil)

func (o *opaque[T]) String() string       { return o.text }
func (o *opaque[T]) Type() string         { return o.typ }
func (o *opaque[T]) Freeze()              {}
func (o *opaque[T]) Truth() starlark.Bool { return starlark.True }
func (o *opaque[T]) AttrNames() []string  { return o.attrs.Keys() }

// Hash implements starlark.Value. Equal values print alike.
func (o *opaque[T]) Hash() (uint32, error) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(o.typ + o.text))
	return h.Sum32(), nil
}

// Attr implements starlark.HasAttrs; nil, nil is how it says that there is none.
func (o *opaque[T]) Attr(name string) (starlark.Value, error) {
	if v, ok := o.attrs[name]; ok {
		return v, nil
	}
	if o.typ == "secret" {
		return nil, fmt.Errorf("a secret has no .%s: its value is outside of the script, and only routes use it", name)
	}
	return nil, nil
}
