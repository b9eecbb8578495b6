package dlp_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/bottle-run/bottle/sidecar/dlp"
)

// secret is made at run time, so that no scanner finds it in this file.
func secret() string {
	return "gh" + "p_" + strings.Join([]string{"aB3dE5gH7jK9", "mN1pQ3sT5vW7", "yZ2bC4dF6hJ8"}, "")
}

var shared = sync.OnceValues(dlp.New)

func scanner(tb testing.TB) *dlp.Scanner {
	tb.Helper()
	s, err := shared()
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestFind(t *testing.T) {
	s := scanner(t)
	key := "-----BEGIN RSA PRIVATE " + "KEY-----\n" + strings.Repeat("MIIEow1Ba2Dc3Fe4Hg5Ji6Lk7Nm8Po9\n", 400) + "-----END RSA PRIVATE " + "KEY-----\n"
	for text, want := range map[string]string{
		secret():                 "github-pat",
		"x = '" + secret() + "'": "github-pat",
		strings.Repeat(" ", 5000) + secret() + strings.Repeat(" ", 5000): "github-pat",
		key:                                   "private-key",
		"the " + "gh" + "p_ prefix of tokens": "",
		"gh" + "p_" + strings.Repeat("a", 36): "", // no entropy
		"":                                    "",
	} {
		got, found := s.Find([]byte(text))
		if got.Rule != want || found != (want != "") {
			t.Errorf("%.60q: %q, want %q", text, got.Rule, want)
		}
	}
}
