package starlib

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
)

// paramTypes are the types that a parameter can have.
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
			return nil, errors.New("want a whole number")
		}
		return starlark.MakeInt64(n), nil
	case "float":
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, errors.New("want a number")
		}
		return starlark.Float(f), nil
	case "bool":
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, errors.New("want true or false")
		}
		return starlark.Bool(b), nil
	case "list":
		var list []starlark.Value
		if text != "" {
			for part := range strings.SplitSeq(text, ",") {
				list = append(list, starlark.String(strings.TrimSpace(part)))
			}
		}
		return starlark.NewList(list), nil
	}
	return starlark.String(text), nil
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
