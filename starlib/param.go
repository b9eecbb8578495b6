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
				{Name: "choices", Type: "list of strings", Default: "[]", Keyword: true, Doc: "the only values allowed"},
			},
			call: paramBuiltin,
		},
	}
}

func paramBuiltin(c *call) (starlark.Value, error) {
	p := Param{Name: c.str("name", ""), Help: c.str("help", ""), Choices: c.strs("choices"), Pos: c.pos}
	def := c.args["default"]
	p.Type, p.HasDefault = paramType(def), def != nil
	if c.given("type") {
		p.Type = c.oneOf("type", "", "string", "int", "float", "bool", "list")
	}
	if def != nil {
		p.Default = paramText(def)
		if paramType(def) != p.Type {
			c.wrong("default", "got %s, want %s", describe(def), p.Type)
		}
	}
	if p.Name == "" || strings.ContainsAny(p.Name, "= \t\n") {
		c.wrong("name", "%q is no name for --arg name=value", p.Name)
	}
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
		v, _ := paramValue(p.Type, map[string]string{"int": "0", "float": "0", "bool": "false"}[p.Type])
		return v, nil
	}
	if len(p.Choices) > 0 && !slices.Contains(p.Choices, text) {
		return nil, c.errorf("--arg %s=%s: not one of %s%s", p.Name, text, strings.Join(p.Choices, ", "), didYouMean(text, p.Choices))
	}
	v, err := paramValue(p.Type, text)
	if err != nil {
		return nil, c.errorf("--arg %s=%s: %v", p.Name, text, err)
	}
	return v, nil
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

func paramType(v starlark.Value) string {
	switch v.(type) {
	case starlark.Int:
		return "int"
	case starlark.Float:
		return "float"
	case starlark.Bool:
		return "bool"
	case *starlark.List, starlark.Tuple:
		return "list"
	}
	return "string"
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
