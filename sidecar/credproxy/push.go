package credproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/dlp"
	"github.com/bottle-run/bottle/sidecar/git"
)

// The ends of the paths of git's smart HTTP protocol.
const (
	infoRefs    = "/info/refs"
	uploadPack  = "/git-upload-pack"
	receivePack = "/git-receive-pack"
)

// scanner is made when the first route needs it, and is as large as some
// megabytes.
var scanner = sync.OnceValues(dlp.New) //nolint:gochecknoglobals // gitleaks' rules are the same for everybody

// pushRules returns the rules for pushes over the route; nil when it has none.
func (r Route) pushRules() (*git.Rules, error) {
	if r.Push == nil {
		return nil, nil
	}
	rules := &git.Rules{Refs: r.Push.Refs, Protect: r.Push.Protect, Pos: r.Pos}
	if r.Push.Scan {
		var err error
		if rules.Scanner, err = scanner(); err != nil {
			return nil, err
		}
	}
	return rules, nil
}

// permitsGit returns why a request is not let through that is one of git's, or
// that goes to a repository: on a route without rules for pushing there is none,
// and on one with them nothing else is changed. path is canonical.
func (r *route) permitsGit(method, path, query string) (reason, allow string) {
	folded := strings.TrimRight(foldPath(path), "/")
	if r.pushes == nil {
		if strings.HasSuffix(folded, receivePack) || asksToPush(path, query) {
			return fmt.Sprintf("route %s lets no git push through", r.Path), `push = ["refs/heads/agent/*"] in the route`
		}
		return "", ""
	}
	read := method == http.MethodGet || method == http.MethodHead
	switch {
	case strings.HasSuffix(path, receivePack) || strings.HasSuffix(path, uploadPack):
		if method != http.MethodPost {
			return "git asks there with POST, not with " + method, ""
		}
	case strings.HasSuffix(folded, receivePack) || strings.Contains(folded+"/", "/info/lfs/"):
		return "of what changes a repository only git push is understood, and not " + shorten(r.rest(path)), ""
	case !read:
		return fmt.Sprintf("route %s has rules for git push; nothing else may change what is there", r.Path), "another route, without push = […]"
	}
	return "", ""
}

// asksToPush reports whether git asks for the refs that it may push to.
func asksToPush(path, query string) bool {
	return strings.HasSuffix(path, infoRefs) && strings.Contains(query, "git-receive-pack")
}

// refusePushing refuses as git prints it.
func (w *recorder) refusePushing(r sidecar.Refusal) {
	w.denied, w.reason = true, r.Reason
	text := r.Reason
	if r.Allow != "" {
		text += "; to allow it: " + r.Allow
	}
	_ = git.RefusePushing(w, text) // a client that went away needs no reason
}

// advertise makes of the list of refs that one may push to the one for clients.
func (r *route) advertise(res *http.Response) (err error) {
	if r.pushes == nil || res.StatusCode != http.StatusOK || !strings.HasSuffix(res.Request.URL.Path, infoRefs) ||
		!asksToPush(infoRefs, res.Request.URL.RawQuery) {
		return nil
	}
	res.Header.Del("Content-Length")
	res.ContentLength = -1
	res.Body, err = git.Advertise(res.Body)
	return err
}

// push judges a push on its way, and reports each of its refs.
func (p *proxy) push(w *recorder, r *http.Request, t *table, v verdict, event sidecar.Event) {
	refs, err := v.route.pushes.Serve(w, r, p.ask(t, v), func(out *http.Request) bool {
		p.forward(w, out, t, v)
		return w.status != 0
	})
	if err != nil {
		w.refuse(refused{status: http.StatusBadRequest, refusal: sidecar.Refusal{Reason: err.Error(), Host: v.target.Host}})
		return
	}
	for _, ref := range refs {
		event.Kind, event.Ref, event.Reason, event.Decision = sidecar.KindPush, ref.Name, t.tokens.clean(ref.Reason), sidecar.Allow
		if event.Status = w.status; ref.Reason != "" {
			event.Decision = sidecar.Deny
			if !w.denied {
				w.denied, w.reason = true, ref.Reason
			}
		}
		p.events.Audit(event)
	}
}

// ask returns what asks the repository of a push, as its client could have done.
func (p *proxy) ask(t *table, v verdict) git.Ask {
	return func(ctx context.Context, method, endpoint string, header http.Header, body string) (*http.Response, error) {
		end, query, _ := strings.Cut(endpoint, "?")
		target, err := v.route.target(strings.TrimSuffix(v.path, receivePack)+"/"+end, query)
		if err != nil {
			return nil, err
		}
		held := &heldBody{ReadCloser: io.NopCloser(strings.NewReader(body))}
		c := &carrier{proxy: p, table: t, route: v.route, body: held}
		req, err := http.NewRequestWithContext(ctx, method, target.String(), held) //nolint:gosec // G704: the target is the route's
		if err != nil {
			return nil, err
		}
		req.Header, req.ContentLength = header, int64(len(body))
		if body == "" {
			req.Body = nil
		}
		v.route.outgoing(req, target)
		res, err := c.RoundTrip(req)
		if err == nil {
			err = c.route.incoming(res, c.route.scrubber(), redirector{}, t.gate.url != "")
			if err != nil {
				_ = res.Body.Close()
			}
		}
		if err != nil {
			return nil, errors.New(v.route.scrubber().clean(err.Error())) // it may quote what the upstream sent
		}
		return res, nil
	}
}
