package starlib

import (
	"fmt"
	"math/bits"
	"runtime/metrics"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// What one value of a script may hold. The interpreter's own bounds are 2^30
// elements for a repetition, which are 16 GiB of list, and none for a sum.
const (
	maxElements = 1 << 20
	maxText     = 16 << 20
	maxSource   = 256 << 10 // of a file, in bytes
	maxNesting  = 1 << 10   // of brackets: the parser recurses
	maxBits     = 1 << 12   // of an int
	maxHeap     = 1 << 30   // of all that a script makes together
)

// heapEvery is how many steps lie between two looks at the heap.
const heapEvery = 1 << 10

// budget bounds the steps of a thread and, as nearly as can be seen from outside
// of the interpreter, its memory.
func budget(thread *starlark.Thread, steps uint64) {
	before := heap()
	thread.SetMaxExecutionSteps(min(heapEvery, steps))
	thread.OnMaxSteps = func(t *starlark.Thread) {
		switch {
		case t.ExecutionSteps() >= steps:
			t.Cancel(fmt.Sprintf("the script took more than %d steps: is there a loop that grows without end?", steps))
		case heap() > before+maxHeap:
			t.Cancel(fmt.Sprintf("the script made more than %d MiB of values: is there a value that grows without end?", maxHeap>>20))
		default:
			t.SetMaxExecutionSteps(min(t.ExecutionSteps()+heapEvery, steps))
		}
	}
}

func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}

// guarded are the operators by which a few lines make a value of any size. No
// script can spell the names of the functions that take their place.
var guarded = map[syntax.Token]string{ //nolint:gochecknoglobals // a table
	syntax.STAR: "*", syntax.PLUS: "+", syntax.PERCENT: "%",
}

// guard replaces `x * y` by `1 and *(x, y)`, where * is a function that looks at
// the size of the result first. A node can be changed where it stands and not be
// exchanged, hence the `and`.
func guard(tree *syntax.File) {
	syntax.Walk(tree, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.BinaryExpr:
			if name, ok := guarded[n.Op]; ok {
				n.Op, n.X, n.Y = syntax.AND, one(n.OpPos), guardCall(name, n.OpPos, n.X, n.Y)
			}
		case *syntax.AssignStmt:
			target, named := n.LHS.(*syntax.Ident)
			switch {
			case n.Op == syntax.PLUS_EQ:
				n.RHS = guardCall("+=", n.OpPos, n.RHS)
			case n.Op == syntax.STAR_EQ && named:
				n.Op, n.RHS = syntax.EQ, guardCall("*", n.OpPos, &syntax.Ident{NamePos: target.NamePos, Name: target.Name}, n.RHS)
			}
		}
		return true
	})
}

func one(pos syntax.Position) syntax.Expr {
	return &syntax.Literal{Token: syntax.INT, TokenPos: pos, Raw: "1", Value: int64(1)}
}

func guardCall(name string, pos syntax.Position, args ...syntax.Expr) syntax.Expr {
	return &syntax.CallExpr{Fn: &syntax.Ident{NamePos: pos, Name: name}, Lparen: pos, Args: args, Rparen: pos}
}

// guards are the functions that guard calls.
func guards() starlark.StringDict {
	env := starlark.StringDict{"+=": starlark.NewBuiltin("+=", func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		return args[0], tooLarge(args[0], size(args[0]))
	})}
	for op, name := range guarded {
		env[name] = starlark.NewBuiltin(name, func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
			x, y := args[0], args[1]
			if err := foresee(op, x, y); err != nil {
				return nil, err
			}
			v, err := starlark.Binary(op, x, y)
			if err != nil {
				return nil, err
			}
			return v, tooLarge(v, size(v))
		})
	}
	return env
}

// foresee refuses an operation whose result would be too large.
func foresee(op syntax.Token, x, y starlark.Value) error {
	switch op {
	case syntax.PLUS:
		return tooLarge(x, size(x)+size(y))
	case syntax.STAR:
		if i, ok := x.(starlark.Int); ok {
			if j, ok := y.(starlark.Int); ok {
				return longProduct(i, j)
			}
			x, y = y, x
		}
		n, ok := y.(starlark.Int)
		if times, small := n.Int64(); ok && size(x) > 0 && n.Sign() > 0 {
			over, product := bits.Mul64(uint64(times), uint64(size(x))) //nolint:gosec // both positive
			if !small || over != 0 || product > maxText {
				product = maxText + 1
			}
			return tooLarge(x, int(product))
		}
	}
	return nil
}

// longProduct refuses to multiply ints into more than maxBits: squared some thirty
// times, a digit takes all the memory, and before that all the time.
func longProduct(i, j starlark.Int) error {
	if _, small := i.Int64(); small {
		if _, small := j.Int64(); small {
			return nil
		}
	}
	if i.BigInt().BitLen()+j.BigInt().BitLen() > maxBits {
		return fmt.Errorf("the int would have more than %d bits, which a launch script has no use for", maxBits)
	}
	return nil
}

// size is how many elements a sequence has, or bytes a text; 0 for other values.
func size(v starlark.Value) int {
	switch v.(type) {
	case starlark.String, starlark.Bytes, *starlark.List, starlark.Tuple:
		return starlark.Len(v)
	}
	return 0
}

func tooLarge(v starlark.Value, n int) error {
	limit, of := maxElements, "elements"
	switch v.(type) {
	case starlark.String, starlark.Bytes:
		limit, of = maxText, "bytes"
	}
	if n > limit {
		return fmt.Errorf("the %s would have more than %d %s, which a launch script has no use for", v.Type(), limit, of)
	}
	return nil
}

// tooDeep refuses a file on which the parser would exhaust the stack, which no
// program survives. Brackets in strings and comments count too; a launch script
// has not so many.
func tooDeep(src []byte) error {
	depth := 0
	for _, c := range src {
		switch c {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth = max(depth-1, 0)
		}
		if depth > maxNesting {
			return fmt.Errorf("more than %d brackets are open at once", maxNesting)
		}
	}
	return nil
}
