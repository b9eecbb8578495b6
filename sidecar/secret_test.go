package sidecar_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/sidecar"
)

// A secret prints as "redacted", whatever asks and whatever holds it.
func TestSecretPrintsNowhere(t *testing.T) {
	const canary = "canary-0123456789"
	s := sidecar.Secret(canary)
	holder := struct {
		S sidecar.Secret
		P *sidecar.Secret
		M sidecar.Message
		L []sidecar.Secret
	}{s, &s, sidecar.Message{"slot": s}, []sidecar.Secret{s}}

	var printed []string
	for verb := range strings.FieldsSeq("%v %+v %#v %s %q %x %X %d %b %o %c %U %T %t %e %10.3v % x") {
		printed = append(printed, fmt.Sprintf(verb, s), fmt.Sprintf(verb, holder))
	}
	text, _ := s.MarshalText()
	js, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	for _, h := range []slog.Handler{slog.NewJSONHandler(&logged, nil), slog.NewTextHandler(&logged, nil)} {
		slog.New(h).Info("m", "s", s, "holder", holder)
	}
	printed = append(printed, s.String(), s.GoString(), string(text), string(js), logged.String(),
		fmt.Sprint(s), fmt.Sprintln(holder), fmt.Errorf("x: %v", s).Error())

	encodings := []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), "Y2FuYXJ5", "99 97 110", "0x63, 0x61"}
	for _, p := range printed {
		for _, e := range encodings {
			if strings.Contains(p, e) {
				t.Errorf("a secret printed as %q", p)
			}
		}
	}
	if got := fmt.Sprintf("%s %v", s, holder.M); got != "redacted map[slot:redacted]" {
		t.Errorf("printed %q", got)
	}
}
