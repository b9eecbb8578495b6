package starlib

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"

	starjson "go.starlark.net/lib/json"
	starmath "go.starlark.net/lib/math"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"github.com/bottle-run/bottle/runtime/plan"
)

// DefaultMaxSteps is the step budget of a script: a few seconds of work on a
// machine of 2020, and a thousand times what a large launch needs.
const DefaultMaxSteps = 100_000_000

// Options say what to evaluate.
type Options struct {
	// FS is the root of the module that holds the script. The FS of an os.Root
	// keeps links from leading out of it.
	FS fs.FS
	// Script is the script's path within FS, with slashes. It is also what
	// positions call the file.
	Script string
	// Args are the values of parameters, by name.
	Args map[string]string
	// Print is told what the script prints; nil discards it.
	Print func(pos plan.Pos, msg string)
	// MaxSteps is the step budget; zero is DefaultMaxSteps.
	MaxSteps uint64
}

// A Launch is what a script declared.
type Launch struct {
	Plan   *plan.Plan
	Params []Param
}

// Eval evaluates a script. Its error is an *Error, which knows its place, or an
// error of the file system. The end of ctx ends the evaluation.
func Eval(ctx context.Context, o Options) (*Launch, error) {
	s, err := run(ctx, o)
	if s != nil && len(s.missing) > 0 {
		// What followed a missing parameter is its consequence.
		return nil, s.missingParams()
	}
	if err != nil {
		return nil, err
	}
	if err := s.unknownArgs(); err != nil {
		return nil, err
	}
	p, err := s.lower()
	if err != nil {
		return nil, s.locate(err)
	}
	return &Launch{Plan: p, Params: s.params}, nil
}

// Params returns the parameters of a script and the comment or string at its
// head. It evaluates the script with the defaults and the zero values of the
// others; an error on the way ends the list early and is not reported, for the
// script may reject those values.
func Params(ctx context.Context, o Options) (params []Param, doc string, err error) {
	s, err := run(ctx, o)
	if s == nil {
		return nil, "", err
	}
	return s.params, s.doc, nil
}

// A session is one evaluation.
type session struct {
	o       Options
	thread  *starlark.Thread
	globals starlark.StringDict
	files   map[string]*file // by label
	loading []string         // labels of the modules under way, outermost first
	doc     string

	params  []Param
	missing []Param

	networks   []*network
	proxies    []*proxy
	gates      []*gate
	containers []*member
}

// run executes the script. The session is nil when the script could not even be
// read and parsed.
func run(ctx context.Context, o Options) (*session, error) {
	s := &session{o: o, files: map[string]*file{}}
	s.globals = s.predeclared()
	s.thread = &starlark.Thread{Name: o.Script, Print: s.print, Load: s.load}
	steps := o.MaxSteps
	if steps == 0 {
		steps = DefaultMaxSteps
	}
	budget(s.thread, steps)
	defer context.AfterFunc(ctx, func() { s.thread.Cancel(context.Cause(ctx).Error()) })()

	f, err := s.parse(o.Script, o.FS, o.Script)
	if err != nil {
		return nil, err
	}
	s.doc = f.doc()
	if _, err := f.program.Init(s.thread, s.globals); err != nil {
		return s, s.locate(err)
	}
	return s, nil
}

// predeclared is what a script can name: the builtins of the table, and the
// parts of Starlark's library that have neither clock nor chance.
func (s *session) predeclared() starlark.StringDict {
	env := guards()
	maps.Copy(env, starlark.StringDict{
		"struct": starlark.NewBuiltin("struct", starlarkstruct.Make),
		"json":   starjson.Module,
		"math":   starmath.Module,
		"range":  starlark.NewBuiltin("range", boundedRange),
	})
	secret := starlark.StringDict{}
	for _, b := range Builtins() {
		switch b.Module {
		case "":
			env[b.Name] = s.builtin(b)
		case "secret":
			secret[b.Name] = s.builtin(b)
		default: // a method of a handle
		}
	}
	env["secret"] = &opaque[struct{}]{typ: "module", text: "secret", attrs: secret}
	return env
}

// maxRange bounds range(): list(range(1<<40)) would end the process.
const maxRange = maxElements

func boundedRange(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	v, err := starlark.Call(thread, starlark.Universe["range"], args, kwargs)
	if err != nil {
		if inner, ok := errors.AsType[*starlark.EvalError](err); ok {
			return nil, errors.New(inner.Msg)
		}
		return nil, err
	}
	if n := starlark.Len(v); n > maxRange {
		return nil, fmt.Errorf("range: %d elements; a launch script gets at most %d", n, maxRange)
	}
	return v, nil
}

func (s *session) print(_ *starlark.Thread, msg string) {
	if s.o.Print == nil {
		return
	}
	pos, _ := s.caller(s.thread.CallStack())
	s.o.Print(pos, msg)
}

// parse reads and compiles a file.
func (s *session) parse(label string, fsys fs.FS, path string) (*file, error) {
	src, err := source(fsys, path)
	if err != nil {
		return nil, &Error{Pos: plan.Pos{File: label}, Msg: err.Error()}
	}
	f := &file{label: label, src: string(src)}
	s.files[label] = f
	opts := &syntax.FileOptions{Set: true, TopLevelControl: true}
	tree, err := opts.Parse(label, src, 0)
	if err != nil {
		return nil, s.locate(err)
	}
	f.index(tree)
	guard(tree)
	f.program, err = starlark.FileProgram(tree, s.globals.Has)
	if err != nil {
		return nil, s.locate(err)
	}
	return f, nil
}

// source reads a file whose size and nesting the parser can bear.
func source(fsys fs.FS, path string) ([]byte, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, pathCause(err)
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxSource+1))
	if err != nil {
		return nil, pathCause(err)
	}
	if len(src) > maxSource {
		return nil, fmt.Errorf("the file has more than %d bytes; a launch script is a program, not data", maxSource)
	}
	return src, tooDeep(src)
}

// pathCause drops the operation and path of an fs.PathError: the label says it.
func pathCause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
