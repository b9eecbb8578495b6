package starlib

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/bottle-run/bottle/runtime/plan"
)

// A call is one call of a builtin: its place and its arguments. The first
// argument that is wrong is kept in err, and what the getters return after that
// does not matter: the caller of the builtin looks at err first.
type call struct {
	s    *session
	fn   *Builtin
	args map[string]starlark.Value // those given, without None
	pos  plan.Pos
	via  []plan.Pos
	err  error
}

// errorf makes an error that begins with the builtin's name.
func (c *call) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: %s", c.fn.FullName(), fmt.Sprintf(format, args...))
}

// wrong records that a parameter's value is wrong.
func (c *call) wrong(param, format string, args ...any) {
	if c.err == nil {
		c.err = c.errorf("for parameter %q: %s", param, fmt.Sprintf(format, args...))
	}
}

func (c *call) paramNames() []string {
	names := make([]string, len(c.fn.Params))
	for i, p := range c.fn.Params {
		names[i] = p.Name
	}
	return names
}

// unpack binds args and kwargs to the parameters of the table.
func (c *call) unpack(args starlark.Tuple, kwargs []starlark.Tuple) error {
	c.args = make(map[string]starlark.Value, len(args)+len(kwargs))
	for i, v := range args {
		if i >= len(c.fn.Params) || c.fn.Params[i].Keyword {
			return c.errorf("got %d arguments without a name, want at most %d: %s; give the others by name", len(args), i, c.fn.brief())
		}
		c.args[c.fn.Params[i].Name] = v
	}
	for _, kv := range kwargs {
		if err := c.bind(string(kv[0].(starlark.String)), kv[1]); err != nil { //nolint:forcetypeassert // the interpreter's promise
			return err
		}
	}
	maps.DeleteFunc(c.args, func(_ string, v starlark.Value) bool { return v == starlark.None })
	for _, p := range c.fn.Params {
		if _, ok := c.args[p.Name]; !ok && p.Default == "" {
			return c.errorf("parameter %q (%s) is missing: %s", p.Name, p.Type, p.Doc)
		}
	}
	return nil
}

// bind gives the parameter called name its value.
func (c *call) bind(name string, v starlark.Value) error {
	if names := c.paramNames(); !slices.Contains(names, name) {
		hint := didYouMean(name, names)
		if hint == "" {
			hint = "; there " + areOf(names)
		}
		return c.errorf("there is no parameter %q%s", name, hint)
	}
	if _, twice := c.args[name]; twice {
		return c.errorf("parameter %q is given twice: the call is %s", name, c.fn.brief())
	}
	c.args[name] = v
	return nil
}

func (c *call) given(param string) bool { return c.args[param] != nil }

// str returns a string, or def when it is not given.
func (c *call) str(param, def string) string {
	v := c.args[param]
	if v == nil {
		return def
	}
	s, ok := starlark.AsString(v)
	if !ok {
		c.wrong(param, "got %s, want string", describe(v))
	}
	return s
}

// boolean returns a bool, or False when it is not given.
func (c *call) boolean(param string) bool {
	v := c.args[param]
	if v == nil {
		return false
	}
	b, ok := v.(starlark.Bool)
	if !ok {
		c.wrong(param, "got %s, want True or False", describe(v))
	}
	return bool(b)
}

// integer returns an int between lo and hi.
func (c *call) integer(param string, def, lo, hi int64) int64 {
	v := c.args[param]
	if v == nil {
		return def
	}
	i, ok := v.(starlark.Int)
	if !ok {
		c.wrong(param, "got %s, want int", describe(v))
		return def
	}
	n, ok := i.Int64()
	if !ok || n < lo || n > hi {
		c.wrong(param, "%s is not between %d and %d", i, lo, hi)
	}
	return n
}

// list returns the elements of a list or tuple. A string is one mistake that
// everybody makes once.
func (c *call) list(param, of string) []starlark.Value {
	v := c.args[param]
	if v == nil {
		return nil
	}
	if s, ok := starlark.AsString(v); ok {
		c.wrong(param, "got the string %q, want a list of %s; write [%q]", s, of, s)
		return nil
	}
	list, ok := v.(starlark.Iterable)
	if _, isDict := v.(starlark.IterableMapping); !ok || isDict {
		cure := ""
		if s := v.String(); !ok && len(s) < 60 {
			cure = "; write [" + s + "]"
		}
		c.wrong(param, "got %s, want a list of %s%s", describe(v), of, cure)
		return nil
	}
	return slices.Collect(starlark.Elements(list))
}

func (c *call) strs(param string) []string {
	var out []string
	for i, v := range c.list(param, "strings") {
		s, ok := starlark.AsString(v)
		if !ok {
			c.wrong(param, "element %d is %s, want string", i, describe(v))
		}
		out = append(out, s)
	}
	return out
}

// dict returns a dict of strings.
func (c *call) dict(param string) map[string]string {
	v := c.args[param]
	if v == nil {
		return nil
	}
	d, ok := v.(starlark.IterableMapping)
	if !ok {
		c.wrong(param, "got %s, want a dict of strings", describe(v))
		return nil
	}
	out := map[string]string{}
	for k, v := range starlark.Entries(d) {
		key, ok := starlark.AsString(k)
		if !ok {
			c.wrong(param, "key %s is %s, want string", k, describe(k))
		}
		val, ok := starlark.AsString(v)
		if !ok {
			c.wrong(param, "the value of %q is %s, want string%s", key, describe(v), secretHint(v))
		}
		out[key] = val
	}
	return out
}

// secretHint helps those who would hand a secret to a container.
func secretHint(v starlark.Value) string {
	if _, ok := v.(*opaque[plan.Secret]); ok {
		return "; a container never holds a secret: give it to a route of cred_proxy()"
	}
	return ""
}

// oneOf returns a string of a fixed set.
func (c *call) oneOf(param, def string, choices ...string) string {
	s := c.str(param, def)
	if c.err == nil && !slices.Contains(choices, s) {
		c.wrong(param, "%q is not one of %s%s", s, strings.Join(choices, ", "), didYouMean(s, choices))
	}
	return s
}

// describe names the type of a value, and shows a short one.
func describe(v starlark.Value) string {
	switch v := v.(type) {
	case starlark.String, starlark.Int, starlark.Float, starlark.Bool:
		if s := v.String(); len(s) < 40 {
			return v.Type() + " " + s
		}
	}
	return v.Type()
}

// handle returns the value behind an opaque value of one type.
func handle[T any](c *call, param, want string) (T, bool) {
	var zero T
	v := c.args[param]
	if v == nil {
		return zero, false
	}
	return handleOf[T](c, param, want, v)
}

func handleOf[T any](c *call, param, want string, v starlark.Value) (T, bool) {
	o, ok := v.(*opaque[T])
	if !ok {
		var zero T
		c.wrong(param, "got %s, want %s", describe(v), want)
		return zero, false
	}
	return o.v, true
}
