package docker_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/bottle-run/bottle/runtime"
	"github.com/bottle-run/bottle/runtime/docker"
)

var values = map[string][]byte{"config": []byte("{}")}

// Send returns when the sidecar has answered, not when the message is written, and
// its answer is the result.
func TestSendWaitsForTheAnswer(t *testing.T) {
	ours, theirs := net.Pipe()
	e, say := docker.Attached(ours)
	for _, c := range []struct{ answer, want string }{
		{`{"event":"applied"}`, ""},
		{`{"event":"rejected","error":"no routes"}`, "no routes"},
	} {
		result := make(chan error, 1)
		go func() { result <- e.Send(t.Context(), "container:s", values) }()
		if line, err := bufio.NewReader(theirs).ReadString('\n'); err != nil || line != "{\"config\":\"e30=\"}\n" {
			t.Fatalf("the sidecar got %q, %v", line, err)
		}
		select {
		case err := <-result:
			t.Fatalf("Send returned %v before the answer", err)
		case <-time.After(20 * time.Millisecond):
		}
		say(c.answer)
		err := <-result
		var rejected runtime.RejectedError
		if c.want == "" && err != nil || c.want != "" && (!errors.As(err, &rejected) || rejected.Reason != c.want) {
			t.Errorf("after %s: %v", c.answer, err)
		}
	}
}

// A sidecar that does not answer costs a Send its context, no more, and its late
// answer is not taken for that to the next message.
func TestSendGivesUp(t *testing.T) {
	ours, theirs := net.Pipe()
	e, say := docker.Attached(ours)
	go func() {
		for s := bufio.NewScanner(theirs); s.Scan(); {
		}
	}()
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := e.Send(short, "container:s", values); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("without an answer: %v", err)
	}
	result := make(chan error, 1)
	go func() { result <- e.Send(t.Context(), "container:s", values) }()
	say(`{"event":"applied"}`)
	say(`{"event":"rejected","error":"the second"}`)
	if err := <-result; err == nil || err.Error() != "the second" {
		t.Errorf("the answer to the second message: %v", err)
	}
}

// A sidecar that does not read costs a Send its context, and gets no half of a
// message before the next one.
func TestSendToOneThatDoesNotRead(t *testing.T) {
	ours, theirs := net.Pipe()
	e, _ := docker.Attached(ours)
	go func() { _, _ = theirs.Read(make([]byte, 4)) }()
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := e.Send(short, "container:s", values); err == nil || !strings.Contains(err.Error(), "does not read") {
		t.Fatalf("to one that does not read: %v", err)
	}
	if err := e.Send(t.Context(), "container:s", values); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("after half a message: %v", err)
	}
}

// A sidecar's word of a refused secret arrives with its slot.
func TestStale(t *testing.T) {
	ours, _ := net.Pipe()
	e, say := docker.Attached(ours)
	say(`{"event":"stale","secret":"secret.env(\"K\")"}`)
	if s := <-e.Stale(); s.Slot != `secret.env("K")` || s.Node.ID != "container:s" {
		t.Errorf("got %+v", s)
	}
}
