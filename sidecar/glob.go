package sidecar

import (
	"errors"
	"fmt"
	"strings"
)

// CanonicalGlob returns the canonical form of a glob for MatchPath, or what is
// wrong with it. Its literal parts are spelled as CanonicalPath spells them.
func CanonicalGlob(glob string) (string, error) {
	path, err := CanonicalPath(glob)
	if err != nil {
		return "", fmt.Errorf("glob %q: %w", shorten(glob), err)
	}
	for segment := range strings.SplitSeq(path, "/") {
		if strings.Contains(segment, "**") && segment != "**" {
			return "", fmt.Errorf(`glob %q: %w`, shorten(glob), errors.New(`"**" stands for whole segments: write it between slashes`))
		}
	}
	return path, nil
}

// MatchPath reports whether path is what glob describes: "*" is a segment or a
// part of one, "**" between slashes is any number of segments, also none; "*"
// alone is not the empty segment after a last slash. Both are canonical. It takes
// time proportional to the product of the two lengths at most.
func MatchPath(glob, path string) bool {
	return match(strings.Split(glob, "/"), strings.Split(path, "/"),
		func(g string) bool { return g == "**" }, matchSegment)
}

// matchSegment matches within a segment.
func matchSegment(glob, segment string) bool {
	if glob == "*" {
		return segment != ""
	}
	if !strings.Contains(glob, "*") {
		return glob == segment
	}
	return match([]byte(glob), []byte(segment),
		func(g byte) bool { return g == '*' }, func(g, s byte) bool { return g == s })
}

// match matches a sequence against a pattern in which some elements stand for
// any number of elements. Only the latest of these is ever tried again: what an
// earlier one could take, the latest can take too.
func match[T any](glob, seq []T, isStar func(T) bool, same func(glob, elem T) bool) bool {
	g, s := 0, 0
	star, retry := -1, 0
	for s < len(seq) {
		switch {
		case g < len(glob) && isStar(glob[g]):
			star, retry = g, s
			g++
		case g < len(glob) && same(glob[g], seq[s]):
			g++
			s++
		case star >= 0:
			retry++
			g, s = star+1, retry
		default:
			return false
		}
	}
	for g < len(glob) && isStar(glob[g]) {
		g++
	}
	return g == len(glob)
}
