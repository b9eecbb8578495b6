package starlib

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
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
	p := Param{Name: c.str("name", ""), Help: c.str("help", ""), Pos: c.pos}
	def := c.args["default"]
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
	if c.err != nil {
		return nil, c.err
	}
	if err := c.s.declareParam(c, p); err != nil {
		return nil, err
	}
	text, given := c.s.o.Args[p.Name]
	if !given {
		if def != nil {
			return frozen(def), nil
		}
		c.s.missing = append(c.s.missing, p)
		return stand(p), nil
	}
	v, err := paramValue(p.Type, text)
	if err != nil {
		return nil, c.errorf("--arg %s=%s: %v", p.Name, text, err)
	}
	if off := offChoice(p, v); off != "" {
		return nil, c.errorf("--arg %s=%s: %q is not one of %s%s", p.Name, text, off, strings.Join(p.Choices, ", "), didYouMean(off, p.Choices))
	}
	return v, nil
}

// choices reads the values that p may have, spelled as --arg would.
func choices(c *call, p Param) []string {
	var out []string
	for i, v := range c.list("choices", "values") {
		if t := paramType(v); t != p.Type && (p.Type != "list" || t != "string") {
			c.wrong("choices", "element %d is %s, want %s", i, describe(v), strings.Replace(p.Type, "list", "string", 1))
		}
		out = append(out, paramText(v))
	}
	p.Choices = out
	if def := c.args["default"]; def != nil && c.err == nil {
		if off := offChoice(p, def); off != "" {
			c.wrong("default", "%q is not among the choices %s%s", off, strings.Join(out, ", "), didYouMean(off, out))
		}
	}
	return out
}

// offChoice returns what of v is not among the choices of p, or nothing.
func offChoice(p Param, v starlark.Value) string {
	if len(p.Choices) == 0 {
		return ""
	}
	parts := []string{paramText(v)}
	if p.Type == "list" {
		parts = strings.Split(parts[0], ",")
	}
	for _, part := range parts {
		if part != "" && !slices.Contains(p.Choices, part) {
			return part
		}
	}
	return ""
}

// stand returns what stands in for the value of a parameter that was not given:
// the script goes on, so that all that are missing can be named at once.
func stand(p Param) starlark.Value {
	text := map[string]string{"int": "0", "float": "0", "bool": "false"}[p.Type]
	if len(p.Choices) > 0 {
		text = p.Choices[0]
	}
	v, err := paramValue(p.Type, text)
	if err != nil {
		return starlark.None // the choices have been checked
	}
	return v
}

func frozen(v starlark.Value) starlark.Value {
	v.Freeze()
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

func paramTypes() []string { return []string{"string", "int", "float", "bool", "list"} }

func paramType(v starlark.Value) string {
	switch v.(type) {
	case starlark.Int:
		return "int"
	case starlark.Float:
		return "float"
	case starlark.Bool:
		return "bool"
	case *starlark.List, starlark.Tuple:
		for e := range starlark.Elements(v.(starlark.Iterable)) { //nolint:forcetypeassert // both are
			if _, ok := e.(starlark.String); !ok {
				return "list of " + e.Type()
			}
		}
		return "list"
	case nil, starlark.String:
		return "string"
	}
	return v.Type()
}

// paramText spells v as --arg would.
func paramText(v starlark.Value) string {
	switch v := v.(type) {
	case starlark.String:
		return string(v)
	case starlark.Bool:
		return strings.ToLower(v.String())
	case starlark.Iterable:
		var parts []string
		for e := range starlark.Elements(v) {
			s, _ := starlark.AsString(e)
			parts = append(parts, s)
		}
		return strings.Join(parts, ",")
	}
	return v.String()
}

func paramValue(typ, text string) (starlark.Value, error) {
	switch typ {
	case "int":
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("want a whole number")
		}
		return starlark.MakeInt64(n), nil
	case "float":
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("want a number")
		}
		return starlark.Float(f), nil
	case "bool":
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("want true or false")
		}
		return starlark.Bool(b), nil
	case "list":
		var list []starlark.Value
		if text != "" {
			for part := range strings.SplitSeq(text, ",") {
				list = append(list, starlark.String(strings.TrimSpace(part)))
			}
		}
		return frozen(starlark.NewList(list)), nil
	}
	return starlark.String(text), nil
}

// missingParams is one error for all parameters that were not given.
func (s *session) missingParams() error {
	first := s.missing[0]
	var names, args []string
	for _, p := range s.missing {
		names = append(names, fmt.Sprintf("%q", p.Name))
		args = append(args, "--arg "+p.Name+"=…")
	}
	what := "parameter " + names[0] + " was not given"
	if len(names) > 1 {
		what = "parameters " + strings.Join(names, ", ") + " were not given"
	}
	return s.locate(&Error{Pos: first.Pos, Msg: what, Hint: "add " + strings.Join(args, " ")})
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
