package sidecar_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/sidecar"
)

// recorder is a Service that records what is applied and refuses the value
// "bad".
type recorder struct {
	applied chan sidecar.Message
}

func (r *recorder) Listening() []string { return []string{"here"} }

func (r *recorder) Apply(inputs, message sidecar.Message) error {
	for _, v := range message {
		if string(v) == "bad" {
			return errors.New("it is bad")
		}
	}
	r.applied <- inputs
	return nil
}

func (r *recorder) Serve(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Messages replace what they name; one that is refused changes nothing; the end
// of the stream ends the service.
func TestRunLife(t *testing.T) {
	r, w := io.Pipe()
	var out bytes.Buffer
	svc := &recorder{applied: make(chan sidecar.Message, 10)}
	var firstSeen sidecar.Message
	ended := make(chan error, 1)
	go func() {
		ended <- sidecar.Run(context.WithoutCancel(t.Context()), sidecar.Streams{Stdin: r, Stdout: &out},
			func(_ context.Context, inputs sidecar.Message, _ *sidecar.Events) (sidecar.Service, error) {
				firstSeen = inputs
				return svc, nil
			})
	}()
	for _, l := range []string{line("config", "c", "a", "1", "b", "1"), line("a", "2"), line("a", "bad", "b", "9"), "junk\n", line("b", "3")} {
		if _, err := io.WriteString(w, l); err != nil {
			t.Fatal(err)
		}
	}
	_ = w.Close()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	close(svc.applied)
	got := string(firstSeen["config"]) + string(firstSeen["a"]) + string(firstSeen["b"])
	for m := range svc.applied {
		got += " " + string(m["config"]) + string(m["a"]) + string(m["b"])
	}
	if got != "c11 c21 c23" {
		t.Errorf("the service saw %q", got)
	}
	want := `{"event":"ready","listen":["here"]}
{"event":"applied"}
{"event":"rejected","error":"it is bad"}
{"event":"rejected","error":"message is not a JSON object"}
{"event":"applied"}
`
	if out.String() != want {
		t.Errorf("it reported\n%s", out.String())
	}
}

func TestRunFails(t *testing.T) {
	broken := func(context.Context, sidecar.Message, *sidecar.Events) (sidecar.Service, error) {
		return nil, errors.New("port taken")
	}
	for in, want := range map[string]string{
		"":                "standard input ended before it",
		`{"config":"YQ==`: "standard input ended before it",
		"{}\n":            "message names no value",
		line("a", "b"):    "port taken",
	} {
		var out bytes.Buffer
		err := sidecar.Run(t.Context(), sidecar.Streams{Stdin: strings.NewReader(in), Stdout: &out}, broken)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(out.String(), `{"event":"fatal","error":"`) {
			t.Errorf("%q: %v, reported %s", in, err, out.String())
		}
	}
}

// A signal ends a sidecar that waits for its first message.
func TestRunEndsWithItsContext(t *testing.T) {
	r, w := io.Pipe()
	defer func() { _ = w.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sidecar.Run(ctx, sidecar.Streams{Stdin: r, Stdout: io.Discard}, nil); err != nil {
		t.Error(err)
	}
}
