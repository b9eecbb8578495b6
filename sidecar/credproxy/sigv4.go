package credproxy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/encoding/httpbinding"

	"github.com/bottle-run/bottle/sidecar"
)

const (
	payloadHeader   = "X-Amz-Content-Sha256"
	unsignedPayload = "UNSIGNED-PAYLOAD"
	// maxSigned is the longest body that is read before it is sent, because the
	// signature in the header is over it.
	maxSigned = 16 << 20
)

// inSignature makes c one that signs requests with AWS Signature Version 4, each
// anew: what the client signed, with its placeholder, is thrown away.
func (c *credential) inSignature(a *Auth, inputs sidecar.Message) {
	c.header = "Authorization"
	keys := aws.Credentials{AccessKeyID: string(inputs[a.AccessKey]), SecretAccessKey: string(inputs[a.Secret])}
	c.keep(keys.SecretAccessKey)
	if a.SessionToken != "" {
		keys.SessionToken = string(inputs[a.SessionToken])
		c.keep(keys.SecretAccessKey, keys.SessionToken)
	}
	signer := v4.NewSigner()
	c.send = func(rt http.RoundTripper, r *http.Request) (*http.Response, error) {
		r = copyRequest(r)
		hash, err := payloadHash(r, strings.HasPrefix(a.Service, "s3"))
		if err != nil {
			return nil, err
		}
		if err := signRequest(signer, keys, a, r, hash); err != nil {
			return nil, err
		}
		return rt.RoundTrip(r)
	}
}

// copies returns a header that names another object for S3 to read, with the
// route's signature and past its path and rules; "" for none.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
func (r *route) copies(h http.Header) string {
	if r.Auth == nil || r.Auth.Scheme != "sigv4" || !strings.HasPrefix(r.Auth.Service, "s3") {
		return ""
	}
	for name := range h {
		switch normal := normalName(name); normal {
		case "x-amz-copy-source", "x-amz-rename-source":
			return normal
		}
	}
	return ""
}

// signRequest signs what servers must see signed and nothing more: a gate on the
// way may change the other headers.
func signRequest(signer *v4.Signer, keys aws.Credentials, a *Auth, r *http.Request, hash string) error {
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
		return refused{status: http.StatusBadRequest, refusal: sidecar.Refusal{Reason: "the query cannot be signed: " + err.Error()}}
	}
	u := *r.URL
	if strings.HasPrefix(a.Service, "s3") {
		// S3 signs the path as it would write it, whatever was sent; the other
		// services sign what was sent, escaped once more.
		u.Opaque = "//" + u.Host + httpbinding.EscapePath(u.Path, false)
	}
	signed := &http.Request{Method: r.Method, URL: &u, Host: r.Host, Header: http.Header{}, ContentLength: r.ContentLength}
	for name, values := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") || lower == "content-type" || lower == "content-md5" {
			signed.Header[name] = slices.Clone(values)
		}
	}
	err := signer.SignHTTP(r.Context(), keys, signed, hash, a.Service, a.Region, time.Now(), func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = strings.HasPrefix(a.Service, "s3")
	})
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token"} {
		if values := signed.Header[name]; values != nil {
			r.Header[name] = values
		}
	}
	u.Opaque = ""
	r.URL = &u // its query is in the order that was signed
	return nil
}

// payloadHash returns what stands for the body in the signature: what the client
// says of it, which the server holds against what arrives; for S3 over TLS that it
// is not signed; or the hash of a body that is read for it.
func payloadHash(r *http.Request, s3 bool) (string, error) {
	given := r.Header.Get(payloadHeader)
	switch {
	case isSHA256(given), given == unsignedPayload, given == "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
		return given, nil
	case given != "":
		return "", refused{status: http.StatusForbidden, refusal: sidecar.Refusal{
			Reason: "the body is signed piece by piece (" + shorten(given) + ") with a key that is a placeholder, so the upstream would not take it",
			Allow:  "a client that signs the body as a whole or not at all: turn payload signing or chunked encoding off in it, or use the route over https",
		}}
	}
	if r.Body != nil && r.Body != http.NoBody && s3 && r.URL.Scheme == "https" {
		r.Header.Set(payloadHeader, unsignedPayload)
		return unsignedPayload, nil
	}
	hash, err := hashBody(r)
	if err == nil && s3 {
		r.Header.Set(payloadHeader, hash)
	}
	return hash, err
}

func hashBody(r *http.Request) (string, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = readBody(r.Body, maxSigned); err != nil {
			return "", err
		}
		r.ContentLength, r.TransferEncoding = int64(len(body)), nil
		r.Body = io.NopCloser(bytes.NewReader(body))
		if len(body) == 0 {
			r.Body = nil
		}
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:]), nil
}

// readBody reads a body that must be known before anything of it is sent.
func readBody(body io.ReadCloser, limit int64) ([]byte, error) {
	defer func() { _ = body.Close() }()
	b, err := io.ReadAll(io.LimitReader(body, limit+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(b)) > limit:
		return nil, refused{status: http.StatusRequestEntityTooLarge, refusal: sidecar.Refusal{
			Reason: fmt.Sprintf("the body is longer than %d bytes, and on this route it must be read before it is sent", limit),
			Allow:  "smaller requests",
		}}
	}
	return b, nil
}

func isSHA256(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size
}

// A refused is the error of a request that is not sent, and what its client gets.
type refused struct {
	status     int
	refusal    sidecar.Refusal
	retryAfter int64 // seconds; 0 for no such header
}

func (r refused) Error() string { return r.refusal.Reason }

// asRefused returns the refusal in the chain of err.
func asRefused(err error) (refused, bool) { return errors.AsType[refused](err) }
