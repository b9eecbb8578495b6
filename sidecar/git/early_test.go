package git_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/bottle-run/bottle/sidecar/git"
)

// A server that answers before it has the end of a push is believed, and gets no
// more of it.
func TestEarlyAnswer(t *testing.T) {
	rules := &git.Rules{Refs: []string{"refs/heads/x"}}
	long := command(zero, one, "refs/heads/x", "report-status") + "0000" +
		string(pack(1, piece{kind: 3, size: 4 * git.ShortPush, raw: stored(4 * git.ShortPush)}))
	w := httptest.NewRecorder()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/git-receive-pack", strings.NewReader(long))
	refs, err := rules.Serve(w, req, nil, func(out *http.Request) bool {
		_, _ = io.CopyN(io.Discard, out.Body, 100)
		_ = out.Body.Close()
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	if err != nil || len(refs) != 1 || w.Code != http.StatusUnauthorized || w.Body.Len() > 0 {
		t.Errorf("%v, %v, %d %q", refs, err, w.Code, w.Body)
	}
}

// A push that its route ends is read no further, however slowly its client sends.
func TestEndedWhileRead(t *testing.T) {
	rules := &git.Rules{Refs: []string{"refs/heads/x"}}
	ctx, cancel := context.WithCancel(t.Context())
	body := command(zero, one, "refs/heads/x", "report-status") + "0000" + string(pack(1, piece{kind: 3, size: 1 << 20, raw: stored(1 << 19)}))
	slow := &ending{data: strings.NewReader(body), after: 10000, cancel: cancel}
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/git-receive-pack", iotest.OneByteReader(slow))
	refs, err := rules.Serve(httptest.NewRecorder(), req, nil, func(*http.Request) bool { return true })
	if err == nil && (len(refs) != 1 || refs[0].Reason == "") {
		t.Errorf("%v, %v", refs, err)
	}
	if slow.late > 1 {
		t.Errorf("%d bytes were read of a push that was ended", slow.late)
	}
}

// ending ends its request after some bytes, and counts those that are read then.
type ending struct {
	data   io.Reader
	after  int
	late   int
	cancel func()
}

func (e *ending) Read(p []byte) (int, error) {
	if e.after--; e.after == 0 {
		e.cancel()
	} else if e.after < 0 {
		e.late++
	}
	return e.data.Read(p)
}
