package pipelock_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/bottle-run/bottle/sidecar/dlp"
	"github.com/bottle-run/bottle/sidecar/pipelock"
)

var scanner = sync.OnceValues(dlp.New) // costs a second under -race

func newScanner(tb testing.TB) *dlp.Scanner {
	tb.Helper()
	s, err := scanner()
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// Wherever a body is cut, no part of a secret leaves.
func TestStreamAtEveryCut(t *testing.T) {
	s := newScanner(t)
	before := strings.Repeat("x ", pipelock.HoldBack)
	text := []byte(before + secret() + " and more")
	for cut := len(before) - 1; cut <= len(text); cut += 9 {
		out, blocked := pipelock.Stream(s, text[:cut], bytes.NewReader(text[cut:]), "")
		if !blocked || bytes.Contains(out, []byte("gh"+"p_")) {
			t.Errorf("cut at %d: blocked %t, and %d of %d bytes left", cut-len(before), blocked, len(out), len(before))
		}
	}
}

// What is found in the whole is found in the stream, and what is not blocked leaves
// as it came.
func FuzzScanSplit(f *testing.F) {
	f.Add("", "", uint16(7), uint16(0))
	f.Add("a = ", " b", uint16(300), uint16(12))
	f.Add("\x00\xff%", "%41", uint16(12000), uint16(20000))
	f.Fuzz(func(t *testing.T, head, tail string, pad, cut uint16) {
		s := newScanner(t)
		for _, middle := range []string{"", " " + secret() + " "} {
			text := []byte(strings.Repeat(". ", int(pad)) + head + middle + tail)
			at := min(int(cut), len(text))
			_, whole := s.Find(text)
			out, blocked := pipelock.Stream(s, text[:at], iotest.OneByteReader(bytes.NewReader(text[at:])), "")
			if whole && !blocked {
				t.Errorf("found in the whole, not in the stream cut at %d: %q", at, text)
			}
			if !blocked && !bytes.Equal(out, text) || !bytes.HasPrefix(text, out) {
				t.Errorf("%q left as %q", text, out)
			}
		}
	})
}
