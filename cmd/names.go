package cmd

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// names are what a launch may be called: a part of the names of its objects, and
// of a directory.
var names = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

func launchName(name, path string) (string, error) {
	if name != "" {
		if !names.MatchString(name) {
			return "", usage{fmt.Errorf("--name %q: a name has up to 40 lower-case letters, digits and hyphens", name)}
		}
		return name, nil
	}
	base := strings.ToLower(strings.TrimSuffix(filepath.Base(path), ".star"))
	base = regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(base, "-")
	base = strings.Trim(base[:min(len(base), 30)], "-")
	if base == "" {
		base = "launch"
	}
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails
	return base + "-" + hex.EncodeToString(random[:]), nil
}

// owner says who launched, for people; the journal's lock says whether they live.
func owner() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	return fmt.Sprintf("%s:%d:%s", host, os.Getpid(), hex.EncodeToString(random[:]))
}
