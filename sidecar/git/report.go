package git

import (
	"fmt"
	"io"
	"net/http"
	"strings"
)

// resultType is what the server answers to a push, advertType what to the
// question for its refs.
const (
	resultType = "application/x-git-receive-pack-result"
	advertType = "application/x-git-receive-pack-advertisement"
)

// report writes the answer that has git print, for each ref, why it is refused,
// and the advice as lines of the remote.
func (o *opening) report(w http.ResponseWriter, r *Refusal) error {
	h := w.Header()
	h.Set("Content-Type", resultType)
	h.Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	var b strings.Builder
	b.WriteString(pkt("unpack ok\n"))
	for _, ref := range r.Refs {
		b.WriteString(pkt(fmt.Sprintf("ng %s bottle: %s\n", ref.Name, ref.Reason)))
	}
	b.WriteString(flush)
	_, v1 := o.caps["report-status"]
	_, v2 := o.caps["report-status-v2"]
	status := b.String()
	if !v1 && !v2 {
		status = ""
	}
	limit := 0
	if _, ok := o.caps["side-band"]; ok {
		limit = 999 // of 1000, a byte is the number of the band
	}
	if _, ok := o.caps["side-band-64k"]; ok {
		limit = maxPacket - 5
	}
	if limit == 0 {
		_, err := io.WriteString(w, status)
		return err
	}
	var out strings.Builder
	out.WriteString(pkt("\x02bottle refused this push; nothing was changed upstream\n"))
	for _, line := range r.Advice {
		out.WriteString(pkt("\x02bottle: " + oneLine(line) + "\n"))
	}
	for len(status) > 0 {
		n := min(limit, len(status))
		out.WriteString(pkt("\x01" + status[:n]))
		status = status[n:]
	}
	out.WriteString(flush)
	_, err := io.WriteString(w, out.String())
	return err
}

// RefusePushing answers the question for the refs that one may push to with a
// message that git prints.
func RefusePushing(w http.ResponseWriter, reason string) error {
	h := w.Header()
	h.Set("Content-Type", advertType)
	h.Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	_, err := io.WriteString(w, pkt("# service=git-receive-pack\n")+flush+pkt("ERR bottle: "+oneLine(reason)+"\n"))
	return err
}
