package sidecar_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bottle-run/bottle/sidecar"
)

func decodeLines(t *testing.T, data []byte) []map[string]any {
	t.Helper()
	var out []map[string]any
	for l := range bytes.Lines(data) {
		var m map[string]any
		if err := json.Unmarshal(l, &m); err != nil {
			t.Fatalf("line %q: %v", l, err)
		}
		out = append(out, m)
	}
	return out
}

func TestEventsAreTheProtocol(t *testing.T) {
	var b bytes.Buffer
	e := sidecar.NewEvents(&b)
	e.Ready("[::]:9099")
	e.Applied()
	e.Rejected(errors.New("no <route>"))
	e.Audit(sidecar.Event{
		Kind: sidecar.KindRequest, Time: time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600)), Client: sidecar.ClientAgent,
		Method: "GET", Host: "h:443", Path: "/p?key=secret", Status: 200, Decision: sidecar.Allow, Rule: "launch.star:1:2", MS: 7,
	})
	e.Fatal(errors.New("gone"))
	e.Close()
	want := `{"event":"ready","listen":["[::]:9099"]}
{"event":"applied"}
{"event":"rejected","error":"no <route>"}
{"event":"request","time":"2026-01-02T02:04:05.000000006Z","client":"agent","method":"GET","host":"h:443","path":"/p","status":200,"decision":"allow","rule":"launch.star:1:2","bytes_in":0,"bytes_out":0,"ms":7}
{"event":"fatal","error":"gone"}
`
	if b.String() != want {
		t.Errorf("wrote\n%s\nwant\n%s", b.String(), want)
	}
}

// What a client chose cannot break a line, nor make it long.
func TestEventsBoundWhatClientsChoose(t *testing.T) {
	var b bytes.Buffer
	e := sidecar.NewEvents(&b)
	e.Audit(sidecar.Event{Kind: sidecar.KindDNS, Host: "a\n{\"event\":\"ready\"}\n", Path: strings.Repeat("ä", 1<<20)})
	e.Close()
	lines := decodeLines(t, b.Bytes())
	if len(lines) != 1 || b.Len() > 4096 {
		t.Errorf("%d lines, %d bytes", len(lines), b.Len())
	}
	if lines[0]["time"] == "0001-01-01T00:00:00Z" {
		t.Error("an event without a time")
	}
}

func TestEventsFromManyGoroutines(t *testing.T) {
	var b bytes.Buffer
	e := sidecar.NewEvents(&b)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 100 {
				e.Audit(sidecar.Event{Kind: sidecar.KindRequest})
			}
		})
	}
	wg.Wait()
	e.Close()
	if n := len(decodeLines(t, b.Bytes())); n != 2000 {
		t.Errorf("%d events of 2000", n)
	}
}

// With a reader that stands still, emitting ends, nothing is lost without being
// counted, and the count is reported once somebody reads.
func TestEventsCountWhatASlowReaderCosts(t *testing.T) {
	r, w := io.Pipe()
	e := sidecar.NewEvents(w)
	const sent = 5000
	var wg sync.WaitGroup
	for range sent {
		wg.Go(func() { e.Audit(sidecar.Event{Kind: sidecar.KindRequest}) })
	}
	wg.Wait() // nobody has read a byte
	if e.Dropped() == 0 {
		t.Fatal("nothing was dropped: the test shows nothing")
	}
	read := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(r)
		read <- all
	}()
	e.Applied()
	e.Close()
	_ = w.Close()
	events, dropped := 0, 0.0
	for _, l := range decodeLines(t, <-read) {
		switch l["event"] {
		case "request":
			events++
		case "dropped":
			dropped += l["count"].(float64)
		}
	}
	if float64(events)+dropped != sent {
		t.Errorf("%d events and %v dropped do not make %d", events, dropped, sent)
	}
}

// Close ends when nobody reads, and when the reader is gone.
func TestEventsCloseEnds(t *testing.T) {
	r, w := io.Pipe()
	e := sidecar.NewEvents(w)
	e.Applied()
	e.Close()
	e.Close()
	e.Applied()
	_ = r.Close() // lets the writer's goroutine go
	e2 := sidecar.NewEvents(w)
	e2.Applied()
	e2.Close()
	if e2.Dropped() != 1 {
		t.Errorf("dropped %d", e2.Dropped())
	}
}

func TestRefusalIsJSON(t *testing.T) {
	rec := httptest.NewRecorder()
	sidecar.Refusal{Reason: "no", Host: "h", Allow: `"h"`}.Write(rec, 403)
	want := `{"error":"blocked by bottle","reason":"no","host":"h","allow":"\"h\""}` + "\n"
	if rec.Code != 403 || rec.Body.String() != want || rec.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %v %s", rec.Code, rec.Header(), rec.Body)
	}
}
