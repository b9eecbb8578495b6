package starlib

import (
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/bottle-run/bottle/runtime/plan"
)

// An Error is a mistake in a script, with its place.
type Error struct {
	Pos  plan.Pos
	Msg  string
	Via  []plan.Pos // the calls around it, innermost first
	Line string     // the source line at Pos
	Hint string     // what to write instead, where that is known
	More []*Error   // further mistakes that were found with it
}

// Error returns a line for each mistake: "launch.star:12:5: pipelock: …".
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Pos, e.Msg)
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	for _, m := range e.More {
		b.WriteString("\n" + m.Error())
	}
	return b.String()
}

// Detail returns the message followed by the source line, a caret below the
// place and the calls that led there.
func (e *Error) Detail() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", e.Pos, e.Msg)
	if e.Line != "" {
		line := strings.ReplaceAll(e.Line, "\t", " ")
		fmt.Fprintf(&b, "  %s\n  %s^\n", line, strings.Repeat(" ", max(e.Pos.Col-1, 0)))
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, "  %s\n", e.Hint)
	}
	for _, v := range e.Via {
		fmt.Fprintf(&b, "  called from %s\n", v)
	}
	for _, m := range e.More {
		b.WriteString(m.Detail())
	}
	return b.String()
}

// locate turns whatever the interpreter returns into an *Error. An error of ours
// stays what it is.
func (s *session) locate(err error) error {
	var ours *Error
	var syn syntax.Error
	var list resolve.ErrorList
	var eval *starlark.EvalError
	switch {
	case errors.As(err, &ours):
		if ours.Line == "" {
			s.quote(ours)
		}
		return ours
	case errors.As(err, &syn):
		return s.syntaxError(syn)
	case errors.As(err, &list):
		first := s.mistake(list[0].Pos, list[0].Msg)
		for _, e := range list[1:min(len(list), maxShown)] {
			first.More = append(first.More, s.mistake(e.Pos, e.Msg))
		}
		if rest := len(list) - maxShown; rest > 0 {
			last := s.mistake(list[maxShown].Pos, list[maxShown].Msg)
			last.Hint = fmt.Sprintf("here and in %d more places", rest)
			first.More = append(first.More, last)
		}
		return first
	case errors.As(err, &eval):
		return s.evalError(eval)
	}
	return err
}

// What is shown of many mistakes, and of a long line.
const (
	maxShown = 10
	maxLine  = 500
)

// evalError finds the innermost error: one that a module raised while it was
// loaded arrives wrapped in that of the load.
func (s *session) evalError(err *starlark.EvalError) error {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
		switch inner := inner.(type) { //nolint:errorlint // each link of the chain is looked at
		case *starlark.EvalError:
			err = inner
		case syntax.Error, resolve.ErrorList, *Error:
			return s.locate(inner)
		}
	}
	pos, via := s.caller(err.CallStack)
	e := &Error{Pos: pos, Via: via, Msg: strings.TrimPrefix(err.Msg, "Starlark computation cancelled: ")}
	s.quote(e)
	return e
}

func (s *session) mistake(p syntax.Position, msg string) *Error {
	e := &Error{Pos: plan.Pos{File: p.Filename(), Line: int(p.Line), Col: int(p.Col)}, Msg: msg}
	s.quote(e)
	if name, ok := strings.CutPrefix(msg, "undefined: "); ok && e.Hint == "" {
		names := append(s.globals.Keys(), starlark.Universe.Keys()...)
		e.Hint = strings.Trim(didYouMean(name, names), " ()")
	}
	return e
}

// quote adds the source line and a hint to e.
func (s *session) quote(e *Error) {
	f := s.files[e.Pos.File]
	if f == nil {
		return
	}
	if e.Line = f.line(e.Pos.Line); len(e.Line) > maxLine {
		e.Line = "" // no terminal shows it
		return
	}
	for _, h := range hints {
		if h.line.MatchString(e.Line) && strings.Contains(e.Msg, h.msg) {
			e.Hint = h.text
			return
		}
	}
}
