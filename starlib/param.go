package starlib

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/bottle-run/bottle/runtime/plan"
)

// A Param is a value that a launch is given by --arg name=value.
type Param struct {
	Name       string   `json:"name"`
	Type       string   `json:"type"` // "string", "int", "float", "bool" or "list"
	Help       string   `json:"help,omitempty"`
	Default    string   `json:"default,omitempty"` // as --arg would give it
	HasDefault bool     `json:"has_default"`
	Choices    []string `json:"choices,omitempty"`
	Pos        plan.Pos `json:"pos"`
}

// language are the builtins that belong to the language rather than to a launch.
func language() []*Builtin {
	return []*Builtin{
		{
			Name: "param",
			Doc: "Returns the value that the launch was given by `--arg name=value` or `--args-file`. Without a default it must be given. " +
				"`bottle run launch.star --help` lists the parameters.",
			Params: []Arg{
				{Name: "name", Type: "string", Doc: "what --arg calls it"},
				{Name: "default", Type: "string, int, float, bool or list of strings", Default: "None", Keyword: true, Doc: "the value when none is given; its type is the parameter's"},
				{Name: "type", Type: "string", Default: "None", Keyword: true, Doc: `"string", "int", "float", "bool" or "list" (of strings, split at commas)`},
				{Name: "help", Type: "string", Default: `""`, Keyword: true, Doc: "a line for --help"},
				{Name: "choices", Type: "list", Default: "[]", Keyword: true, Doc: "the only values allowed"},
			},
			call: paramBuiltin,
		},
	}
}

func paramBuiltin(c *call) (starlark.Value, error) {
	p, def := paramOf(c)
	if c.err != nil {
		return nil, c.err
	}
	if err := c.s.declareParam(c, p); err != nil {
		return nil, err
	}
	text, given := c.s.o.Args[p.Name]
	switch {
	case given:
		return c.argument(p, text)
	case def != nil:
		return copied(def), nil
	}
	if !slices.ContainsFunc(c.s.missing, func(m Param) bool { return m.Name == p.Name }) {
		c.s.missing = append(c.s.missing, p)
	}
	return stand(p), nil
}

// paramOf reads what a script says of a parameter. def is nil without a default.
func paramOf(c *call) (p Param, def starlark.Value) {
	p = Param{Name: c.str("name", ""), Help: c.str("help", ""), Pos: c.pos}
	def = c.args["default"]
	p.Type, p.HasDefault = paramType(def), def != nil
	if c.given("type") {
		p.Type = c.oneOf("type", "", paramTypes()...)
	}
	if !slices.Contains(paramTypes(), p.Type) {
		c.wrong("default", "got a %s, want one of %s, lists of strings", p.Type, strings.Join(paramTypes(), ", "))
	}
	if def != nil {
		p.Default = paramText(def)
		if i, ok := def.(starlark.Int); ok && p.Type == "float" {
			def = i.Float()
		}
		if paramType(def) != p.Type {
			c.wrong("default", "got %s, want %s", describe(def), p.Type)
		}
	}
	if p.Name == "" || strings.ContainsAny(p.Name, "= \t\r\n\x00") || strings.HasPrefix(p.Name, "-") {
		c.wrong("name", "%q is no name for --arg name=value", p.Name)
	}
	p.Choices = choices(c, p)
	return p, def
}

// argument returns the value of p that --arg spells text.
func (c *call) argument(p Param, text string) (starlark.Value, error) {
	v, err := paramValue(p.Type, text)
	if err != nil {
		return nil, c.errorf("--arg %s=%s: %v", p.Name, text, err)
	}
	if off := offChoice(p, v); off != "" {
		return nil, c.errorf("--arg %s=%s: %q is not one of %s%s", p.Name, text, off, strings.Join(p.Choices, ", "), didYouMean(off, p.Choices))
	}
	return v, nil
}

// copied returns a list as one of its own, which the script may change; other
// values cannot change.
func copied(v starlark.Value) starlark.Value {
	if l, ok := v.(starlark.Iterable); ok {
		return starlark.NewList(slices.Collect(starlark.Elements(l)))
	}
	return v
}

// declareParam records p. The same parameter may be asked for twice, if both ask
// for the same.
func (s *session) declareParam(c *call, p Param) error {
	for _, old := range s.params {
		if old.Name != p.Name {
			continue
		}
		if old.Type != p.Type || old.Default != p.Default || old.HasDefault != p.HasDefault || !slices.Equal(old.Choices, p.Choices) {
			return c.errorf("%q is already declared, differently, at %s", p.Name, old.Pos)
		}
		return nil
	}
	s.params = append(s.params, p)
	return nil
}

// missingParams is one error for all parameters that were not given.
func (s *session) missingParams() error {
	first := s.missing[0]
	var names, args []string
	for _, p := range s.missing {
		names = append(names, fmt.Sprintf("%q", p.Name))
		args = append(args, "--arg "+p.Name+"=…"+s.mistyped(p.Name))
	}
	what := "parameter " + names[0] + " was not given"
	if len(names) > 1 {
		what = "parameters " + strings.Join(names, ", ") + " were not given"
	}
	return s.locate(&Error{Pos: first.Pos, Msg: what, Hint: "add " + strings.Join(args, " ")})
}

// mistyped says which argument was meant for the parameter called name, as far as
// can be guessed.
func (s *session) mistyped(name string) string {
	for _, given := range slices.Sorted(maps.Keys(s.o.Args)) {
		declared := slices.ContainsFunc(s.params, func(p Param) bool { return p.Name == given })
		if !declared && didYouMean(given, []string{name}) != "" {
			return fmt.Sprintf(" instead of --arg %s=…", given)
		}
	}
	return ""
}

// unknownArgs refuses arguments that no parameter asked for: they are typing
// mistakes.
func (s *session) unknownArgs() error {
	declared := make([]string, len(s.params))
	for i, p := range s.params {
		declared[i] = p.Name
	}
	for _, name := range slices.Sorted(maps.Keys(s.o.Args)) {
		if slices.Contains(declared, name) {
			continue
		}
		hint := "the script has no parameters"
		if len(declared) > 0 {
			hint = "its parameters are " + strings.Join(declared, ", ")
		}
		return &Error{Pos: plan.Pos{File: s.o.Script}, Msg: fmt.Sprintf("there is no parameter %q%s", name, didYouMean(name, declared)), Hint: hint}
	}
	return nil
}
