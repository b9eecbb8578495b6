package git

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/dlp"
)

// Rules say what may be pushed. They do not change while a push is judged.
type Rules struct {
	// Refs are globs of the refs that may be created and moved forward.
	Refs []string
	// Protect are globs of files that no pushed commit may change.
	Protect []string
	// Scanner searches what is pushed for secrets; nil not to.
	Scanner *dlp.Scanner
	// Pos is the place in the script, "launch.star:3:5"; empty for none.
	Pos string
}

// A Refusal is why a push does not pass.
type Refusal struct {
	// Refs are the reasons, by ref: all refs of the push, also those that were
	// refused for the sake of the others.
	Refs []Ref
	// Advice are lines about what to do, for the person who pushes.
	Advice []string

	cause error // what was wrong with the push as a whole; nil for nothing
}

// A Ref is what was decided about one ref.
type Ref struct {
	Name string
	// Reason is one line; empty if the ref may change.
	Reason string
}

// alongside begins the reason of a ref with which nothing else is wrong.
const alongside = "not pushed, because "

// refuse makes a refusal of reasons by ref. What has none is refused too: a push
// is done as a whole or not at all.
func refuse(commands []command, reasons map[string]string, advice ...string) *Refusal {
	r := &Refusal{Advice: advice}
	first := ""
	for _, c := range commands {
		if reasons[c.ref] != "" && first == "" {
			first = c.ref
		}
	}
	for _, c := range commands {
		reason := reasons[c.ref]
		if reason == "" {
			reason = alongside + first + " is refused"
		}
		r.Refs = append(r.Refs, Ref{c.ref, oneLine(reason)})
	}
	return r
}

// refuseAll makes a refusal of a reason that is the push's as a whole.
func refuseAll(commands []command, reason string, advice ...string) *Refusal {
	reasons := map[string]string{}
	for _, c := range commands {
		reasons[c.ref] = reason
	}
	return refuse(commands, reasons, advice...)
}

// oneLine keeps reasons printable: names in them are the client's.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if len(s) > 500 {
		s = strings.ToValidUTF8(s[:500], "") + "…"
	}
	return s
}

// checkCommands judges what the commands alone show; nil for nothing wrong.
func (r *Rules) checkCommands(commands []command) *Refusal {
	reasons := map[string]string{}
	var advice []string
	for _, c := range commands {
		reason, what := r.checkCommand(c)
		if reason == "" {
			continue
		}
		reasons[c.ref] = reason
		if what != "" && !slices.Contains(advice, what) && len(advice) < 5 {
			advice = append(advice, what)
		}
	}
	if len(reasons) == 0 {
		return nil
	}
	return refuse(commands, reasons, advice...)
}

func (r *Rules) checkCommand(c command) (reason, advice string) {
	switch {
	case !slices.ContainsFunc(r.Refs, func(glob string) bool { return sidecar.MatchPath(glob, c.ref) }):
		return fmt.Sprintf("%s is not in push = %s", c.ref, quoted(r.Refs)),
			fmt.Sprintf("push to another name, or add %s to push = […] of the route%s", quoted([]string{c.ref}), r.at())
	case c.to.isZero():
		return "refs are not deleted over this route", ""
	case strings.HasPrefix(c.ref, "refs/tags/") && !c.from.isZero() && c.from != c.to:
		return "tags are not moved over this route", ""
	}
	return "", ""
}

// at is the place in the script, for the end of a sentence.
func (r *Rules) at() string {
	if r.Pos == "" {
		return ""
	}
	return " at " + r.Pos
}

// quoted writes strings as the script has them.
func quoted(all []string) string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = strconv.Quote(s)
	}
	return "[" + strings.Join(out, ", ") + "]"
}
