package starlib

import (
	"fmt"
	"hash/fnv"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// secretType is what type() says of a secret.
const secretType = "secret"

// An opaque value is what a builtin returns: a handle on something declared, or a
// part to declare something with. It never changes.
type opaque[T any] struct {
	v     T
	typ   string
	text  string // how it prints
	attrs starlark.StringDict
}

var (
	_ starlark.HasAttrs   = (*opaque[int])(nil)
	_ starlark.Comparable = (*opaque[int])(nil)
)

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

// CompareSameType implements starlark.Comparable. Secrets are equal when they
// refer to the same; anything else only equals itself.
func (o *opaque[T]) CompareSameType(op syntax.Token, y starlark.Value, _ int) (bool, error) {
	equal := starlark.Value(o) == y
	if other, ok := y.(*opaque[T]); ok && o.typ == secretType {
		equal = o.text == other.text
	}
	switch op {
	case syntax.EQL:
		return equal, nil
	case syntax.NEQ:
		return !equal, nil
	default:
		return false, fmt.Errorf("%s %s %s not implemented", o.typ, op, y.Type())
	}
}

// Attr implements starlark.HasAttrs.
func (o *opaque[T]) Attr(name string) (starlark.Value, error) {
	if v, ok := o.attrs[name]; ok {
		return v, nil
	}
	switch {
	case o.typ == secretType:
		return nil, fmt.Errorf("a secret has no .%s: its value is outside of the script, and only routes use it", name)
	case len(o.attrs) == 0:
		return nil, fmt.Errorf("%s has no .%s, nor any other attribute", o.text, name)
	}
	return nil, fmt.Errorf("%s has no .%s%s; there %s", o.text, name, didYouMean(name, o.attrs.Keys()), areOf(o.attrs.Keys()))
}
