package starlib_test

import (
	"io/fs"
	"testing"

	"go.starlark.net/syntax"

	"github.com/bottle-run/bottle/stdlib"
)

// TestStdlib: every module says what it is and where its facts are from, and
// every function that it exports says what it does. That each of them plans is
// testdata/plans' to show.
func TestStdlib(t *testing.T) {
	names, err := fs.Glob(stdlib.FS, "*.star")
	if err != nil || len(names) < 13 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		src, err := fs.ReadFile(stdlib.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := (&syntax.FileOptions{}).Parse(name, src, 0) // no extension of the language is needed
		if err != nil {
			t.Fatal(err)
		}
		if !documented(f.Stmts) {
			t.Errorf("%s has no docstring", name)
		}
		for _, s := range f.Stmts {
			if def, ok := s.(*syntax.DefStmt); ok && def.Name.Name[0] != '_' && !documented(def.Body) {
				t.Errorf("%s: %s has no docstring", name, def.Name.Name)
			}
		}
	}
}

func documented(body []syntax.Stmt) bool {
	e, ok := body[0].(*syntax.ExprStmt)
	if !ok {
		return false
	}
	lit, ok := e.X.(*syntax.Literal)
	return ok && lit.Token == syntax.STRING && len(lit.Raw) > 40
}
