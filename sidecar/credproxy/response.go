package credproxy

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// incoming makes res, the upstream's answer, the answer for the client of the
// route, without what scrub finds.
func (r *route) incoming(res *http.Response, scrub *scrubber, redirect redirector, proxied bool) error {
	if proxied && res.StatusCode == http.StatusProxyAuthRequired {
		return errors.New("the gate does not know this cred-proxy: its token is not the gate's")
	}
	r.redirect(res, redirect)
	// A session that a credential opened is a credential. Alt-Svc would send the
	// client to a place that it cannot reach.
	for _, name := range []string{"Set-Cookie", "Set-Cookie2", "Alt-Svc"} {
		res.Header.Del(name)
	}
	if len(res.Trailer) > 0 {
		res.Header.Del("Content-Length") // HTTP/1.1 has both in no message, HTTP/2 has
		res.ContentLength = -1
	}
	if scrub == nil {
		return nil
	}
	scrub.header(res.Header)
	if res.StatusCode == http.StatusSwitchingProtocols {
		res.Status = "" // it would be passed on as it is
		conn, ok := res.Body.(io.ReadWriteCloser)
		if !ok {
			return errors.New("the upstream switched protocols on a connection that cannot be written")
		}
		res.Body = &cleanConn{conn, newCleanReader(conn, scrub, nil)}
		return nil
	}
	if err := identity(res); err != nil {
		return err
	}
	res.Body = newCleanReader(res.Body, scrub, res)
	return nil
}

// identity undoes the one encoding that upstreams use though they were asked for
// none; what is encoded cannot be searched.
func identity(res *http.Response) error {
	coding := strings.ToLower(strings.Join(res.Header.Values("Content-Encoding"), ","))
	noBody := res.Request.Method == http.MethodHead || res.StatusCode == http.StatusNoContent || res.StatusCode == http.StatusNotModified
	switch {
	case coding == "" || coding == "identity" || noBody:
		return nil
	case (coding == "gzip" || coding == "x-gzip") && res.StatusCode != http.StatusPartialContent:
		res.Body = &gunzip{src: res.Body}
		res.Header.Del("Content-Encoding")
		res.Header.Del("Content-Length")
		res.ContentLength = -1
		return nil
	}
	return fmt.Errorf("the upstream encoded its answer (%s) though it was asked not to, so it cannot be searched for the credential", coding)
}

// gunzip decompresses src as it comes.
type gunzip struct {
	src io.ReadCloser
	z   *gzip.Reader // made by the first Read, which may wait for its header
}

func (g *gunzip) Read(p []byte) (int, error) {
	if g.z == nil {
		z, err := gzip.NewReader(g.src)
		if err != nil {
			return 0, err // io.EOF for an empty body
		}
		g.z = z
	}
	return g.z.Read(p)
}

func (g *gunzip) Close() error { return g.src.Close() }

// cleanReader is a body without secrets.
type cleanReader struct {
	io.Closer
	src     io.Reader
	stream  stream
	pending []byte
	err     error
	res     *http.Response // its trailers are there at the end; nil for none
}

func newCleanReader(src io.ReadCloser, s *scrubber, res *http.Response) *cleanReader {
	return &cleanReader{Closer: src, src: src, stream: stream{scrubber: s}, res: res}
}

func (c *cleanReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(c.pending) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		n, err := c.src.Read(p)
		c.pending, c.err = c.stream.push(p[:n]), err
		if err != nil {
			c.pending = append(bytes.Clone(c.pending), c.stream.end()...)
			if c.res != nil {
				c.stream.header(c.res.Trailer)
			}
		}
	}
	n := copy(p, c.pending)
	c.pending = c.pending[n:]
	return n, nil
}

// cleanConn is an upgraded connection whose answers are without secrets.
type cleanConn struct {
	io.ReadWriteCloser
	clean *cleanReader
}

func (c *cleanConn) Read(p []byte) (int, error) { return c.clean.Read(p) }
