package starlib

import (
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/bottle-run/bottle/runtime/plan"
)

// A file is a parsed script or module.
type file struct {
	label   string
	src     string
	program *starlark.Program
	globals starlark.StringDict // once executed
	head    string              // the string at its head
	// starts maps the place of a call that the interpreter reports, its opening
	// parenthesis, to where the call begins.
	starts map[[2]int32]syntax.Position
}

// index prepares what is later asked of the tree, which the compiler discards.
func (f *file) index(tree *syntax.File) {
	f.starts = map[[2]int32]syntax.Position{}
	syntax.Walk(tree, func(n syntax.Node) bool {
		if call, ok := n.(*syntax.CallExpr); ok {
			f.indexCall(call)
		}
		return true
	})
	if len(tree.Stmts) == 0 {
		return
	}
	if e, ok := tree.Stmts[0].(*syntax.ExprStmt); ok {
		if lit, ok := e.X.(*syntax.Literal); ok && lit.Token == syntax.STRING {
			f.head, _ = lit.Value.(string)
		}
	}
}

// indexCall finds the start of a call, and of the calls in front of it that start
// there too: a(b).c(d) is two. Asking each for its own start takes the square of
// the time.
func (f *file) indexCall(call *syntax.CallExpr) {
	if _, done := f.starts[place(call)]; done {
		return
	}
	calls := []*syntax.CallExpr{call}
	front := call.Fn
	for {
		switch x := front.(type) {
		case *syntax.CallExpr:
			calls = append(calls, x)
			front = x.Fn
			continue
		case *syntax.DotExpr:
			front = x.X
			continue
		case *syntax.IndexExpr:
			front = x.X
			continue
		case *syntax.SliceExpr:
			front = x.X
			continue
		}
		break
	}
	start, _ := front.Span()
	for _, c := range calls {
		f.starts[place(c)] = start
	}
}

// place is where the interpreter says that a call is.
func place(call *syntax.CallExpr) [2]int32 { return [2]int32{call.Lparen.Line, call.Lparen.Col} }

// doc returns the string or the comment at the head of the file.
func (f *file) doc() string {
	if f.head != "" {
		return strings.TrimSpace(f.head)
	}
	var lines []string
	for line := range strings.Lines(f.src) {
		text, ok := strings.CutPrefix(strings.TrimSpace(line), "#")
		if !ok {
			break
		}
		if !strings.HasPrefix(text, "!") { // a shebang
			lines = append(lines, strings.TrimPrefix(text, " "))
		}
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// line returns the n-th line, counted from 1.
func (f *file) line(n int) string {
	for line := range strings.Lines(f.src) {
		if n--; n == 0 {
			return strings.TrimRight(line, "\r\n")
		}
	}
	return ""
}

// position turns a place that the interpreter reports into ours.
func (s *session) position(p syntax.Position) plan.Pos {
	f := s.files[p.Filename()]
	if f != nil {
		if start, ok := f.starts[[2]int32{p.Line, p.Col}]; ok {
			p = start
		}
	}
	return plan.Pos{File: p.Filename(), Line: int(p.Line), Col: int(p.Col)}
}

// caller returns the innermost place in a script on the stack, and the places
// around it, innermost first.
func (s *session) caller(stack starlark.CallStack) (pos plan.Pos, via []plan.Pos) {
	for _, frame := range slices.Backward(stack) {
		switch {
		case frame.Pos.Line <= 0: // a builtin
		case pos.Line == 0:
			pos = s.position(frame.Pos)
		default:
			via = append(via, s.position(frame.Pos))
		}
	}
	return pos, via
}
