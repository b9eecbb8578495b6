package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// An Ask sends a request to the repository that is pushed to: to endpoint below
// its URL, "git-upload-pack" or "info/refs?service=git-upload-pack".
type Ask func(ctx context.Context, method, endpoint string, header http.Header, body string) (*http.Response, error)

const (
	maxFetch  = 512 << 20 // bytes of an answer
	maxRefs   = 64 << 20  // bytes of a list of refs
	askWait   = 2 * time.Minute
	maxAsking = 32 // fetches for one push
)

// A remote is the repository that is pushed to, asked over protocol version 2
// (gitprotocol-v2). It is asked for commits and trees: where it does not filter
// (uploadpack.allowFilter), files come with them and are passed over.
type remote struct {
	ask     Ask
	filter  bool
	fetches int
	heads   map[oid]bool // what the branches are
	main    oid          // what the default branch is; zero for none
}

// request asks for one thing. The caller closes the body.
func (r *remote) request(ctx context.Context, method, endpoint, body string) (io.ReadCloser, error) {
	h := http.Header{"Git-Protocol": {"version=2"}, "User-Agent": {"git/bottle"}}
	if body != "" {
		h.Set("Content-Type", "application/x-git-upload-pack-request")
		h.Set("Accept", "application/x-git-upload-pack-result")
	}
	res, err := r.ask(ctx, method, endpoint, h, body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		_ = res.Body.Close()
		return nil, fmt.Errorf("it answered %d", res.StatusCode)
	}
	return res.Body, nil
}

// open asks what the server can do, and for its branches.
func (r *remote) open(ctx context.Context) error {
	if r.heads != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	body, err := r.request(ctx, http.MethodGet, "info/refs?service=git-upload-pack", "")
	if err != nil {
		return err
	}
	defer body.Close()
	if err := r.capabilities(io.LimitReader(body, maxRefs)); err != nil {
		return err
	}
	list, err := r.request(ctx, http.MethodPost, "git-upload-pack",
		pkt("command=ls-refs\n")+pkt("object-format=sha1\n")+delim+pkt("symrefs\n")+pkt("ref-prefix HEAD\n")+pkt("ref-prefix refs/heads/\n")+flush)
	if err != nil {
		return err
	}
	defer list.Close()
	return r.branches(io.LimitReader(list, maxRefs))
}

func (r *remote) capabilities(body io.Reader) error {
	version2, shallow := false, false
	for range 100 {
		p, err := readPacket(body)
		if err != nil {
			return cutOff(err)
		}
		name, value, _ := strings.Cut(p.line(), "=")
		switch {
		case p.mark == pktFlush && version2:
			if !shallow {
				return errors.New("it does not fetch shallowly")
			}
			return nil
		case name == "version 2":
			version2 = true
		case name == "fetch" && version2:
			features := strings.Fields(value)
			shallow, r.filter = slices.Contains(features, "shallow"), slices.Contains(features, "filter")
		case name == "object-format" && value != "sha1":
			return fmt.Errorf("its objects are named by %.20q", value)
		case p.mark == 0 && !version2 && !strings.HasPrefix(name, "# service"):
			return errors.New("it does not speak version 2 of git's protocol")
		}
	}
	return errors.New("it does not say what it can do")
}

func (r *remote) branches(body io.Reader) error {
	heads := map[oid]bool{}
	for {
		p, err := readPacket(body)
		if err != nil {
			return cutOff(err)
		}
		if p.mark == pktFlush {
			r.heads = heads
			return nil
		}
		hexID, rest, _ := strings.Cut(p.line(), " ")
		name, _, _ := strings.Cut(rest, " ")
		id, ok := parseOID(hexID)
		switch {
		case !ok:
			return errors.New("it lists a ref without an object")
		case name == "HEAD":
			r.main = id
		case strings.HasPrefix(name, "refs/heads/"):
			heads[id] = true
		}
	}
}

// snapshot fetches objects with all trees below them.
func (r *remote) snapshot(ctx context.Context, wants []oid) (*store, error) {
	lines := pkt("deepen 1\n")
	if r.filter {
		lines += pkt("filter blob:none\n")
	}
	return r.fetch(ctx, wants, lines, true)
}

// between fetches the commits that are in the history of one and not in that of
// the other.
func (r *remote) between(ctx context.Context, to, from oid) (*store, error) {
	lines := pkt("have " + from.String() + "\n")
	if r.filter {
		lines += pkt("filter tree:0\n")
	}
	return r.fetch(ctx, []oid{to}, lines, true)
}

// fetch asks for objects. partial has files be passed over, should some come.
func (r *remote) fetch(ctx context.Context, wants []oid, lines string, partial bool) (*store, error) {
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	if r.fetches++; r.fetches > maxAsking {
		return nil, errors.New("it would have to be asked too often: push fewer commits at once")
	}
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	var b strings.Builder
	b.WriteString(pkt("command=fetch\n") + pkt("object-format=sha1\n") + delim + pkt("no-progress\n") + pkt("ofs-delta\n") + lines)
	for _, id := range wants {
		b.WriteString(pkt("want " + id.String() + "\n"))
	}
	b.WriteString(pkt("done\n") + flush)
	body, err := r.request(ctx, http.MethodPost, "git-upload-pack", b.String())
	if err != nil {
		return nil, err
	}
	defer body.Close()
	answer := &demux{src: io.LimitReader(body, maxFetch)}
	if err := answer.start(); err != nil {
		return nil, err
	}
	p := &packReader{store: newStore(), tap: newTap(answer), partial: partial}
	if _, err := p.readPack(); err != nil {
		return nil, fmt.Errorf("the pack that it sent: %w", err)
	}
	return p.store, nil
}

// A demux reads the pack from the answer to a fetch.
type demux struct {
	src  io.Reader
	data []byte
}

// start passes over what comes before the pack.
func (d *demux) start() error {
	for range 10 * maxCommands {
		p, err := readPacket(d.src)
		if err != nil {
			return cutOff(err)
		}
		switch line := p.line(); {
		case line == "packfile":
			return nil
		case strings.HasPrefix(line, "ERR "):
			return errors.New("it answered: " + oneLine(line[4:]))
		}
	}
	return errors.New("it sent no pack")
}

// Read implements io.Reader.
func (d *demux) Read(p []byte) (int, error) {
	for len(d.data) == 0 {
		next, err := readPacket(d.src)
		switch {
		case err != nil:
			return 0, cutOff(err)
		case next.mark == pktFlush:
			return 0, io.EOF
		case len(next.data) == 0:
			continue
		case next.data[0] == 1:
			d.data = next.data[1:]
		case next.data[0] == 3:
			return 0, errors.New("it answered: " + oneLine(string(next.data[1:])))
		}
	}
	n := copy(p, d.data)
	d.data = d.data[n:]
	return n, nil
}
