package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/sidecar/credproxy"
	"github.com/bottle-run/bottle/sidecar/pipelock"
)

// A reach is a part of what a configuration allows, in words and exactly.
type reach struct {
	head, text string
	exact      string // JSON, without the place in the script
}

// derived are the parts of a gate's configuration that say again what the routes
// and services say.
var derived = map[string]bool{"upstreams": true, "sidecars": true, "aliases": true} //nolint:gochecknoglobals // a table

// reachOf takes the configuration of a sidecar apart.
func reachOf(config []byte) ([]reach, error) {
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(config, &parts); err != nil {
		return nil, err
	}
	var all []reach
	for _, key := range slices.Sorted(maps.Keys(parts)) {
		if derived[key] {
			continue
		}
		var list []json.RawMessage
		if json.Unmarshal(parts[key], &list) != nil {
			list = []json.RawMessage{parts[key]}
		}
		for _, e := range list {
			exact, err := placeless(e)
			if err != nil {
				return nil, err
			}
			head, text := words(key, e)
			if text == "" {
				text = exact[:min(len(exact), 120)]
			}
			all = append(all, reach{head, text, exact})
		}
	}
	return all, nil
}

// words says what an element of a configuration means; nothing for one that has to
// speak for itself.
func words(key string, e json.RawMessage) (head, text string) {
	var rule pipelock.Rule
	var route credproxy.Route
	switch key {
	case "allow", "deny":
		if json.Unmarshal(e, &rule) == nil {
			return map[string]string{"allow": "may reach", "deny": "may not"}[key], describeRule(rule)
		}
	case "routes":
		if json.Unmarshal(e, &route) == nil {
			return "credential", describeRoute(route)
		}
	}
	return key, ""
}

// placeless returns e without its place in the script: a line that moved is no
// change.
func placeless(e json.RawMessage) (string, error) {
	d := json.NewDecoder(bytes.NewReader(e))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return "", err
	}
	if m, ok := v.(map[string]any); ok {
		delete(m, "pos")
	}
	b, err := json.Marshal(v)
	return string(b), err
}

// showChange writes what a change takes away and adds, and reports whether there is
// anything.
func showChange(w io.Writer, diff *plan.Comparison) (bool, error) {
	some := false
	for _, id := range slices.Sorted(maps.Keys(diff.Inputs)) {
		was, err := reachOf(configOf(diff.Former[id]))
		if err != nil {
			return false, err
		}
		will, err := reachOf(configOf(diff.Inputs[id]))
		if err != nil {
			return false, err
		}
		gone, added := without(was, will), without(will, was)
		for _, r := range gone {
			r.show(w, "-", added)
		}
		for _, r := range added {
			r.show(w, "+", gone)
		}
		some = some || len(gone)+len(added) > 0
	}
	return some, nil
}

// show writes a row; exactly, where the words do not tell it from the others.
func (r reach) show(w io.Writer, sign string, others []reach) {
	text := r.text
	if slices.ContainsFunc(others, func(o reach) bool { return o.text == r.text && o.head == r.head }) {
		text += " " + r.exact
	}
	fmt.Fprintf(w, "%s %-11s %s\n", sign, r.head, strings.Map(oneLine, text))
}

func without(all, others []reach) []reach {
	return slices.DeleteFunc(slices.Clone(all), func(r reach) bool {
		return slices.ContainsFunc(others, func(o reach) bool { return o.head == r.head && o.exact == r.exact })
	})
}

// configOf returns the configuration among what a sidecar reads.
func configOf(inputs []plan.Input) []byte {
	for _, in := range inputs {
		if config, ok := in.Source.(plan.Literal); ok && in.Name == credproxy.InputConfig {
			return config
		}
	}
	return []byte("{}")
}

// exactParts returns the parts of a gate's configuration, without places.
func exactParts(config []byte) (map[string][]string, error) {
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(config, &parts); err != nil {
		return nil, err
	}
	exact := map[string][]string{}
	for key, raw := range parts {
		var list []json.RawMessage
		if json.Unmarshal(raw, &list) != nil {
			list = []json.RawMessage{raw}
		}
		for _, e := range list {
			text, err := placeless(e)
			if err != nil {
				return nil, err
			}
			exact[key] = append(exact[key], text)
		}
	}
	return exact, nil
}
