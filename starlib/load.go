package starlib

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/bottle-run/bottle/stdlib"
)

// stdlibPrefix is how the labels of the embedded modules begin.
const stdlibPrefix = "@stdlib//"

var errLeaves = errors.New("a label ends in the name of a .star file and never leaves its module")

// load implements load(). A module is executed once, on the thread of the whole
// evaluation, so that there is one step budget and tracebacks are whole.
func (s *session) load(thread *starlark.Thread, module string) (starlark.StringDict, error) {
	label, fsys, name, err := s.resolve(thread.CallFrame(0).Pos.Filename(), module)
	if err != nil {
		return nil, err
	}
	if i := slices.Index(s.loading, label); i >= 0 || label == s.o.Script {
		cycle := append(slices.Clone(s.loading[max(i, 0):]), label)
		if label == s.o.Script {
			cycle = append([]string{label}, append(slices.Clone(s.loading), label)...)
		}
		return nil, fmt.Errorf("modules load each other in a circle: %s", strings.Join(cycle, " -> "))
	}
	if f, ok := s.files[label]; ok && f.globals != nil {
		return f.globals, nil
	}
	f, err := s.parse(label, fsys, name)
	if err != nil {
		return nil, err
	}
	s.loading = append(s.loading, label)
	f.globals, err = f.program.Init(thread, s.globals)
	s.loading = s.loading[:len(s.loading)-1]
	if err != nil {
		return nil, err
	}
	f.globals.Freeze()
	return f.globals, nil
}

// resolve returns the label, file system and path of a module that the file
// labelled from loads.
func (s *session) resolve(from, module string) (label string, fsys fs.FS, name string, err error) {
	prefix, base := "", from
	fsys = s.o.FS
	if rest, ok := strings.CutPrefix(from, stdlibPrefix); ok {
		prefix, base, fsys = stdlibPrefix, rest, stdlib.FS
	}
	switch {
	case strings.HasPrefix(module, stdlibPrefix):
		prefix, fsys = stdlibPrefix, stdlib.FS
		name = module[len(stdlibPrefix):]
	case strings.HasPrefix(module, "//"):
		name = module[2:]
	case strings.HasPrefix(module, "./"):
		name = path.Join(path.Dir(base), module)
	case strings.HasPrefix(module, "@"):
		return "", nil, "", noModule(module)
	default:
		file := strings.TrimLeft(module, ":/.")
		if strings.HasPrefix(module, "../") {
			file = path.Join(path.Dir(base), module)
			if !fs.ValidPath(file) {
				return "", nil, "", errLeaves
			}
			return "", nil, "", fmt.Errorf("not a label: write \"//%s\", from the root of the module", file)
		}
		return "", nil, "", fmt.Errorf("not a label: write \"./%s\" for a file beside this one, \"//%s\" from the root of the module, or \"@stdlib//…\"", file, file)
	}
	if !strings.HasSuffix(name, ".star") || !fs.ValidPath(name) || path.Clean(name) != name {
		return "", nil, "", errLeaves
	}
	if _, err := fs.Stat(fsys, name); err != nil {
		return "", nil, "", fmt.Errorf("%w%s", pathCause(err), s.nearFile(fsys, name))
	}
	return prefix + name, fsys, name, nil
}

// noModule explains a label of a dependency.
func noModule(label string) error {
	name, _, ok := strings.Cut(label[1:], "//")
	switch {
	case !ok && name == "stdlib" || strings.HasPrefix(name, "stdlib/"):
		return fmt.Errorf("not a label: write \"@stdlib//%s\"", strings.TrimPrefix(name, "stdlib/"))
	case !ok:
		return errors.New("not a label: a module's name is followed by two slashes, as in \"@stdlib//claude.star\"")
	}
	return fmt.Errorf("no module named %q%s: a dependency has to be named in bottle.mod, which this version does not read yet; @stdlib//, \"//path\" from the root of your own module and \"./path\" work", name, didYouMean(name, []string{"stdlib"}))
}

// nearFile suggests a file of the same directory.
func (s *session) nearFile(fsys fs.FS, name string) string {
	entries, err := fs.ReadDir(fsys, path.Dir(name))
	if err != nil {
		return ""
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".star") {
			names = append(names, e.Name())
		}
	}
	return didYouMean(path.Base(name), names)
}
