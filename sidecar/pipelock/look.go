package pipelock

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/dlp"
)

// mode is what happens to what looks like a secret.
func (p *policy) mode(v verdict) string {
	if v.rule != nil && v.rule.DLP != "" {
		return v.rule.DLP
	}
	return p.DLP
}

// excuse returns what tells the findings in a request that the script says are
// none.
func (p *policy) excuse(t target, r *http.Request) func(dlp.Finding) bool {
	path, pathErr := sidecar.CanonicalPath(r.URL.EscapedPath())
	var some []Excuse
	for _, e := range p.DLPAllow {
		if (e.Host == "" || sidecar.MatchHost(e.Host, t.host)) && (e.Path == "" || pathErr == nil && sidecar.MatchPath(e.Path, path)) {
			some = append(some, e)
		}
	}
	return func(f dlp.Finding) bool {
		for _, e := range some {
			if e.Rule == f.Rule && (e.Hash == "" || e.Hash == f.Hash) {
				return true
			}
		}
		return false
	}
}

// A look is how the parts of one request are looked through.
type look struct {
	scanner *dlp.Scanner
	excuse  func(dlp.Finding) bool
	block   bool // what cannot be read does not leave, and no secret does
	told    *atomic.Pointer[string]
}

// text looks through a part of a request.
func (l *look) text(where string, text []byte) error {
	if l.told.Load() != nil {
		return nil
	}
	f, found, err := l.scanner.Search(text, l.excuse)
	return l.result(where, f, found, err)
}

// parts looks through some parts of a request: together first, because mostly there
// is nothing, and each look has its price.
func (l *look) parts(parts []part) error {
	size := 0
	for _, p := range parts {
		size += len(p.text) + 1
	}
	together := make([]byte, 0, size)
	for _, p := range parts {
		together = append(append(together, p.text...), '\n')
	}
	if _, found, err := l.scanner.Search(together, l.excuse); !found && err == nil {
		return nil
	}
	for _, p := range parts {
		if err := l.text(p.where, []byte(p.text)); err != nil {
			return err
		}
	}
	return nil
}

// result makes of what was found an error that stops the request, or a remark.
func (l *look) result(where string, f dlp.Finding, found bool, err error) error {
	switch {
	case err != nil && !found && l.block:
		return &blockedError{reason: where + " cannot be read: " + err.Error()}
	case !found:
		return nil
	}
	reason := fmt.Sprintf("%s holds what looks like a secret (gitleaks rule %s%s; hash %s)", where, f.Rule, encoded(f.Inside), f.Hash)
	if l.block {
		return &blockedError{reason, &f}
	}
	l.told.Store(&reason)
	return nil
}

func encoded(inside []string) string {
	if len(inside) == 0 {
		return ""
	}
	return ", in " + strings.Join(inside, ", in it ")
}

// whole looks through a body of which nothing has left.
func (l *look) whole(body []byte, encoding string) error {
	if err := l.text("the body", body); err != nil || strings.TrimSpace(encoding) == "" {
		return err
	}
	return l.compressed("the body", body, encoding)
}
