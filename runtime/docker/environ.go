package docker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/image"

	"github.com/bottle-run/bottle/runtime/plan"
)

// What git reads its settings from besides files (git-config(1), ENVIRONMENT).
const (
	gitCount = "GIT_CONFIG_COUNT"
	gitKey   = "GIT_CONFIG_KEY_"
	gitValue = "GIT_CONFIG_VALUE_"
)

// variables returns the variables of a container: those of op, and git's settings
// behind those that op or the image has already.
func variables(op plan.Container, image map[string]string) (map[string]string, error) {
	if len(op.Git) == 0 {
		return op.Env, nil
	}
	env := maps.Clone(op.Env)
	if env == nil {
		env = map[string]string{}
	}
	before := 0
	if given := effective(env, image, gitCount); given != "" {
		n, err := strconv.Atoi(given)
		if err != nil || n < 0 || n > 1000 {
			return nil, fmt.Errorf("%s is %q in the script's env or in the image, which git takes for no number of settings; leave it out", gitCount, given)
		}
		before = n
	}
	for i, s := range op.Git {
		n := strconv.Itoa(before + i)
		env[gitKey+n], env[gitValue+n] = s.Key, s.Value
	}
	env[gitCount] = strconv.Itoa(before + len(op.Git))
	return env, nil
}

// effective returns the variable of the container, or else of its image.
func effective(env, image map[string]string, name string) string {
	if v, ok := env[name]; ok {
		return v
	}
	return image[name]
}

// overridden names the variables of the image that bottle, not the script, gives
// another value.
func overridden(op plan.Container, image map[string]string) []string {
	var names []string
	for _, k := range op.Wired {
		if v, ok := image[k]; ok && v != op.Env[k] {
			names = append(names, k)
		}
	}
	return names
}

func imageEnv(found *image.InspectResponse) map[string]string {
	env := map[string]string{}
	if found != nil && found.Config != nil {
		for _, kv := range found.Config.Env {
			k, v, _ := strings.Cut(kv, "=")
			env[k] = v
		}
	}
	return env
}

// redeem puts the container's ticket where its URLs and its placeholder are.
func (e *Engine) redeem(ctx context.Context, op plan.Container) (plan.Container, error) {
	if op.Ticket == nil {
		return op, nil
	}
	token, err := e.l.Material(ctx, op.Ticket.Token)
	if err != nil {
		return op, fmt.Errorf("the ticket: %w", err)
	}
	put := func(s string) string { return putTicket(s, *op.Ticket, string(token)) }
	op.Env = maps.Clone(op.Env)
	for k, v := range op.Env {
		op.Env[k] = put(v)
	}
	op.Git = slices.Clone(op.Git)
	for i, s := range op.Git {
		op.Git[i] = plan.Setting{Key: put(s.Key), Value: put(s.Value)}
	}
	for _, list := range []*[]string{&op.Entrypoint, &op.Command, &op.Setup} {
		*list = slices.Clone(*list)
		for i, s := range *list {
			(*list)[i] = put(s)
		}
	}
	op.Files = slices.Clone(op.Files)
	for i, f := range op.Files {
		if data, ok := f.Source.(plan.Literal); ok {
			op.Files[i].Source = plan.Literal(put(string(data)))
		}
	}
	return op, nil
}

// putTicket returns s with the token in the place of the placeholder and behind
// each base URL.
func putTicket(s string, t plan.Ticket, token string) string {
	s = strings.ReplaceAll(s, t.Placeholder, token)
	for _, base := range t.Bases {
		s = putBehind(s, base, "/~"+token)
	}
	return s
}

// authority is what may follow a host and port and still belong to them.
const authority = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:@"

// putBehind puts text behind each base in s, but not where the base is only the
// beginning of another host or port.
func putBehind(s, base, text string) string {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(s, base)
		out.WriteString(before)
		if !found {
			return out.String()
		}
		out.WriteString(base)
		if after == "" || !strings.Contains(authority, after[:1]) {
			out.WriteString(text)
		}
		s = after
	}
}
