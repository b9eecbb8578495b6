package credproxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bottle-run/bottle/sidecar"
)

const (
	// maxOperation is the longest body that is read to see which operations it
	// asks for.
	maxOperation = 4 << 20
	// maxMemory is how many bytes of bodies are held at once. The container has 512
	// MiB, and to parse a body takes a multiple of it.
	maxMemory = 64 << 20
	// inspectTime is how long a body may take to arrive that is read first.
	inspectTime = time.Minute
	// maxBatch is how many operations one request may ask for.
	maxBatch = 100
)

// inspect holds the operations that r asks for against those of the route. It
// reads the body whole and puts it back. What it cannot read as the upstream will
// is refused: whoever is to be kept out would write just that.
func (r *route) inspect(req *http.Request) error {
	names, err := r.operationsOf(req)
	if refused, ok := asRefused(err); ok {
		return refused
	}
	if err != nil {
		return refused{status: http.StatusForbidden, refusal: sidecar.Refusal{Reason: fmt.Sprintf("route %s lets %s through by the names of operations, and %s", r.Path, r.Protocol, err)}}
	}
	for _, name := range names {
		if !slices.ContainsFunc(r.Operations, func(glob string) bool { return sidecar.MatchPath(glob, name) }) {
			return refused{status: http.StatusForbidden, refusal: sidecar.Refusal{
				Reason: fmt.Sprintf("route %s does not allow the operation %s", r.Path, shorten(name)),
				Allow:  fmt.Sprintf("operations = […, %s] in the route", strconv.Quote(shorten(name))),
			}}
		}
	}
	return nil
}

// holds returns how many bytes of memory req may take on the route until it is
// answered, besides buffers: what is read before it is sent.
func (r *route) holds(req *http.Request) int64 {
	var limit int64
	switch {
	case req.ContentLength == 0:
	case r.Protocol != "":
		limit = maxOperation
	case r.Auth != nil && r.Auth.Scheme == "sigv4" && req.Header.Get(payloadHeader) == "" && (r.base.Scheme == "http" || !strings.HasPrefix(r.Auth.Service, "s3")):
		limit = maxSigned
	}
	if req.ContentLength > 0 {
		limit = min(limit, req.ContentLength)
	}
	return limit
}

// operationsOf returns the names of the operations that req asks for.
func (r *route) operationsOf(req *http.Request) ([]string, error) {
	if req.Header.Get("Upgrade") != "" {
		return nil, errors.New("a WebSocket has no names to read: ask over HTTP")
	}
	body, err := operationBody(req)
	if err != nil {
		return nil, err
	}
	query, err := url.ParseQuery(requestQuery(req))
	if err != nil {
		return nil, errors.New("the query of the URL cannot be read")
	}
	if r.Protocol == protocolGraphQL {
		return graphQL(req.Method, query, body)
	}
	return jsonRPC(req.Method, query, body)
}

// operationBody reads the body of req, which must be JSON, and puts it back.
func operationBody(req *http.Request) ([]byte, error) {
	if req.Body == nil || req.ContentLength == 0 {
		return nil, nil
	}
	if coding := strings.Join(req.Header.Values("Content-Encoding"), ","); coding != "" && coding != "identity" {
		return nil, fmt.Errorf("the body is encoded (%s): send it as it is", shorten(coding))
	}
	body, err := readBody(req.Body, maxOperation)
	if err != nil {
		return nil, err
	}
	req.Body, req.ContentLength, req.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	req.Trailer = nil
	kind, params, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	charset := params["charset"]
	if len(body) > 0 && (err != nil || kind != "application/json" || charset != "" && !strings.EqualFold(charset, "utf-8") || len(req.Header["Content-Type"]) > 1) {
		return nil, errors.New("the body is not said to be JSON in UTF-8: send Content-Type: application/json")
	}
	return body, nil
}

// decodeBatch reads a request, or a batch of them.
func decodeBatch[T any](doc []byte) ([]T, error) {
	if !bytes.HasPrefix(bytes.TrimLeft(doc, " \t\r\n"), []byte("[")) {
		one := make([]T, 1)
		return one, decodeJSON(doc, &one[0])
	}
	var batch []T
	if err := decodeJSON(doc, &batch); err != nil {
		return nil, err
	}
	if len(batch) == 0 || len(batch) > maxBatch {
		return nil, fmt.Errorf("a batch has 1 to %d operations", maxBatch)
	}
	return batch, nil
}

// decodeJSON reads a document that every parser reads in the same way.
func decodeJSON(doc []byte, v any) error {
	// Valid bounds the depth, which Decode does not.
	if !utf8.Valid(doc) || !json.Valid(doc) {
		return errors.New("its body is not JSON in UTF-8")
	}
	if err := sidecar.Decode(doc, v); err != nil {
		return fmt.Errorf("its JSON is not that of a request: %s", shorten(err.Error()))
	}
	return nil
}
