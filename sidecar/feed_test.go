package sidecar_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/sidecar"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func line(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString(`,"` + pairs[i] + `":"` + b64(pairs[i+1]) + `"`)
	}
	return "{" + strings.TrimPrefix(b.String(), ",") + "}\n"
}

func TestFeedReadsOneMessageALine(t *testing.T) {
	f := sidecar.NewFeed(strings.NewReader(line("config", "{}", "slot", "s1") + line("slot", "s2")))
	for _, want := range []string{"s1", "s2"} {
		m, err := f.Next()
		if err != nil || string(m["slot"]) != want {
			t.Errorf("Next() = %q, %v, want %s", []byte(m["slot"]), err, want)
		}
	}
	if _, err := f.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

// A bad line is an error of its own and costs none of the others. The error has
// nothing of the line in it.
func TestFeedSurvivesBadLines(t *testing.T) {
	const canary = "cAnArY"
	for _, bad := range []string{
		"\n", "[]\n", "null\n", `"x"` + "\n", canary + "\n", `{"a":"` + canary + `!"}` + "\n", `{"a":5}` + "\n", `{}` + "\n",
		line("a", "x")[:8] + "\n", `{"a":"YQ==","a":"YQ=="}` + "\n", `{"a":"YQ=="} {}` + "\n", "\x00\n",
		`{"a":"` + strings.Repeat("A", sidecar.MaxMessage) + "\"}\n",
		`{"a":"YQ=="}` + strings.Repeat(" ", sidecar.MaxMessage) + "\n",
	} {
		f := sidecar.NewFeed(strings.NewReader(bad + line("slot", "good")))
		_, err := f.Next()
		if !sidecar.IsBadMessage(err) || strings.Contains(err.Error(), canary) {
			t.Errorf("%.40q: %v", bad, err)
		}
		if m, err := f.Next(); err != nil || string(m["slot"]) != "good" {
			t.Errorf("after %.40q: %v", bad, err)
		}
	}
}

// A line that the launcher's death cut short is not a message.
func TestFeedIgnoresACutLine(t *testing.T) {
	f := sidecar.NewFeed(strings.NewReader(strings.TrimSuffix(line("slot", "x"), "\n")))
	if m, err := f.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("Next() = %v, %v", m, err)
	}
}

func TestFeedTakesTheLongestMessage(t *testing.T) {
	const frame = len(`{"a":""}`)
	value := strings.Repeat("A", (sidecar.MaxMessage-frame)/4*4)
	m, err := sidecar.NewFeed(strings.NewReader(`{"a":"` + value + "\"}\n")).Next()
	if err != nil || len(m["a"]) != len(value)/4*3 {
		t.Errorf("%d bytes, %v", len(m["a"]), err)
	}
}

func FuzzFeed(f *testing.F) {
	f.Add([]byte(line("config", "{}") + "x\n" + line("a", "b")))
	f.Fuzz(func(t *testing.T, data []byte) {
		feed := sidecar.NewFeed(bytes.NewReader(data))
		for range bytes.Count(data, []byte("\n")) {
			if m, err := feed.Next(); err == nil && len(m) == 0 || err != nil && !sidecar.IsBadMessage(err) {
				t.Fatalf("Next() = %v, %v before the end", m, err)
			}
		}
		if _, err := feed.Next(); !errors.Is(err, io.EOF) {
			t.Fatalf("at the end: %v", err)
		}
	})
}
