package dlp

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/andybalholm/brotli"
)

// Decode returns what r holds in the codings of a Content-Encoding header: gzip,
// deflate (with zlib's head, as the standard says, or without, as some send it), br
// and zstd, each over the one before. It returns r itself for none. An unknown
// coding is an error.
func Decode(encoding string, r io.Reader) (io.Reader, error) {
	var codings []string
	for coding := range strings.SplitSeq(strings.ToLower(encoding), ",") {
		if coding = strings.TrimSpace(coding); coding != "" && coding != "identity" {
			codings = append(codings, coding)
		}
	}
	if len(codings) > Depth {
		return nil, fmt.Errorf("it is encoded %d times over", len(codings))
	}
	for _, coding := range slices.Backward(codings) {
		var err error
		if r, err = decode(coding, r); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func decode(coding string, r io.Reader) (io.Reader, error) {
	switch coding {
	case "gzip", "x-gzip":
		return gzip.NewReader(r)
	case "br":
		return brotli.NewReader(r), nil
	case "zstd":
		return openZstd(r)
	case "deflate":
		b := bufio.NewReader(r)
		head, err := b.Peek(2)
		if err != nil {
			return nil, fmt.Errorf("it is too short to be deflated: %w", err)
		}
		if head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 { // RFC 1950, 2.2
			return zlib.NewReader(b)
		}
		return flate.NewReader(b), nil
	}
	return nil, fmt.Errorf("its encoding %q is not known to the gate; send it without", coding)
}

// Guess returns the coding that what begins with head is compressed in, or "".
func Guess(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b\x08")):
		return "gzip"
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		return "zstd"
	}
	return ""
}

// SearchReader is Search for what r gives, piece by piece. An error of r's is
// returned after what came before it was looked through.
func (s *Scanner) SearchReader(r io.Reader, inside []string, excuse func(Finding) bool) (Finding, bool, error) {
	buf := make([]byte, 0, unpackChunk+Overlap)
	for total := 0; ; {
		n, err := readFull(r, buf[len(buf):min(len(buf)+unpackChunk, cap(buf))])
		buf = buf[:len(buf)+n]
		if total += n; total > s.maxUnpacked {
			return Finding{}, false, fmt.Errorf("what unpacks to more than %d bytes %w", s.maxUnpacked, ErrUnreadable)
		}
		if f, found, bad := s.SearchIn(buf, inside, excuse); found || bad != nil {
			return f, found, bad
		}
		if errors.Is(err, io.EOF) {
			return Finding{}, false, nil
		}
		if err != nil {
			return Finding{}, false, err
		}
		buf = buf[:copy(buf, buf[len(buf)-min(Overlap, len(buf)):])]
	}
}
