package git

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/bottle-run/bottle/sidecar"
)

// A guard knows which files are protected, under whatever name a file system
// takes for theirs.
type guard struct {
	globs    []string   // as the script has them
	patterns [][]string // their folded segments
}

func newGuard(globs []string) guard {
	g := guard{globs: globs}
	for _, glob := range globs {
		if dir, ok := strings.CutSuffix(glob, "/"); ok {
			glob = dir + "/**"
		}
		g.patterns = append(g.patterns, foldPath(glob))
	}
	return g
}

// covers reports whether the file path is protected, mayHold whether one below it
// may be. path is folded.
func (g guard) look(path []string) (covers, mayHold bool) {
	for _, p := range g.patterns {
		c, m := matchPattern(p, path)
		covers, mayHold = covers || c, mayHold || m
	}
	return covers, mayHold
}

// matchPattern walks path through a pattern, with all the places of the pattern
// at which it may be: "**" can stay where it is or be passed over.
func matchPattern(pattern, path []string) (covers, mayHold bool) {
	at := make([]bool, len(pattern)+1)
	at[0] = true
	for _, segment := range path {
		pass(pattern, at)
		next := make([]bool, len(pattern)+1)
		for i, p := range pattern {
			switch {
			case !at[i]:
			case p == "**":
				next[i] = true
			case matchName(p, segment):
				next[i+1] = true
			}
		}
		at = next
	}
	pass(pattern, at)
	for i := range pattern {
		mayHold = mayHold || at[i]
	}
	return at[len(pattern)], mayHold
}

// pass lets "**" stand for nothing.
func pass(pattern []string, at []bool) {
	for i, p := range pattern {
		at[i+1] = at[i+1] || at[i] && p == "**"
	}
}

// matchName matches one segment. A short name of NTFS (GITHUB~1, GI7EBA~1) says
// little of what it stands for: the first two letters.
func matchName(glob, segment string) bool {
	if sidecar.MatchPath(glob, segment) {
		return true
	}
	stem, number, short := strings.Cut(segment, "~")
	if !short || stem == "" || len(stem) > 6 || number == "" || strings.Trim(number[:1], "0123456789") != "" {
		return false
	}
	long := strings.NewReplacer(".", "", " ", "").Replace(glob)
	n := min(2, len(stem), len(long))
	return strings.Contains(long[:n], "*") || long[:n] == stem[:n]
}

// foldPath returns the segments of path as the least exact of file systems
// compares them: without case (APFS, NTFS), in one normal form and without
// characters that HFS+ ignores, without what NTFS cuts off at the end of a name
// or reads as another one (a backslash, a stream behind a colon).
func foldPath(path string) []string {
	path = fold(strings.ReplaceAll(path, `\`, "/"))
	segments := strings.Split(path, "/")
	for i, s := range segments {
		s, _, _ = strings.Cut(s, ":")
		if cut := strings.TrimRight(s, " ."); cut != "" {
			s = cut
		}
		segments[i] = s
	}
	return segments
}

func fold(s string) string {
	ascii := strings.IndexFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) < 0
	if ascii {
		return strings.ToLower(s)
	}
	s = strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) {
			return -1
		}
		return r
	}, s)
	return norm.NFKC.String(cases.Fold().String(norm.NFKD.String(s)))
}

// isDotGit reports whether some file system takes name for .git, or for the
// directory itself or the one above it.
func isDotGit(name string) bool {
	for _, s := range foldPath(name) {
		switch s {
		case "", ".", "..", ".git", "git~1":
			return true
		}
	}
	return false
}
