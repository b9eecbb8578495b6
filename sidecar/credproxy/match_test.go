package credproxy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/credproxy"
)

// segments are what a path consists of, less what a slash at its end adds.
func segments(path string) []string {
	return strings.Split(strings.Trim(path, "/"), "/")
}

// FuzzMatch: the route of a path is the one with the most segments of those whose
// segments the path begins with, whole ones, whatever the order of the table.
func FuzzMatch(f *testing.F) {
	f.Add("/a/ /a/b/ /b/", "/a/b/c")
	f.Add("/ /a/ /a/bc/", "/a/b")
	f.Add("/a/", "/ab/")
	f.Add("/a/ /%C3%BC/", "/a")
	f.Fuzz(func(t *testing.T, table, path string) {
		routes := strings.Fields(table)
		path, err := sidecar.CanonicalPath(path)
		if err != nil || len(routes) > 8 {
			return
		}
		got, err := credproxy.Match(routes, path)
		if err != nil {
			return // no table
		}
		want := ""
		for _, r := range routes {
			prefix := segments(r)
			if r == "/" {
				prefix = nil
			}
			of := segments(path)
			if len(of) >= len(prefix) && slices.Equal(of[:len(prefix)], prefix) && len(r) > len(want) {
				want = r
			}
		}
		if got != want {
			t.Errorf("%q of %q is a path of %q, want %q", path, routes, got, want)
		}
		slices.Reverse(routes)
		if again, err := credproxy.Match(routes, path); err != nil || again != got {
			t.Errorf("%q of %q is a path of %q, the other way round of %q, %v", path, routes, got, again, err)
		}
	})
}
