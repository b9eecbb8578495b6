package credproxy

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// normalName spells a header or parameter as the server behind the upstream may
// see it: CGI and WSGI know neither case nor the difference of "-" and "_".
func normalName(name string) string {
	return strings.ReplaceAll(strings.ToLower(name), "_", "-")
}

// isCredentialHeader reports whether clients authenticate with the header name:
// the general ones, and by their ending those of nearly every API (X-Goog-Api-Key,
// Private-Token, X-Auth-Key, Ocp-Apim-Subscription-Key). Idempotency-Key and the
// like are not among them.
func isCredentialHeader(normal string) bool {
	switch normal {
	case "cookie", "cookie2", "x-auth", "x-key", "x-auth-email", "x-vault-request", "npm-otp":
		return true
	}
	if strings.Contains(normal, "authorization") {
		return true
	}
	for _, name := range []string{"api-key", "apikey", "access-key", "auth-key", "subscription-key", "application-key", "functions-key", "rapidapi-key", "token", "secret", "password"} {
		if normal == name || strings.HasSuffix(normal, "-"+name) {
			return true
		}
	}
	return false
}

// stripProtocols removes the subprotocols of a WebSocket in which clients that
// cannot set headers authenticate: openai-insecure-api-key.…,
// base64url.bearer.authorization.k8s.io.….
func stripProtocols(h http.Header) {
	const name = "Sec-Websocket-Protocol"
	var kept []string
	for p := range strings.SplitSeq(strings.Join(h[name], ","), ",") {
		normal := normalName(strings.TrimSpace(p))
		if normal == "" || slices.ContainsFunc([]string{"api-key", "apikey", "bearer", "authorization", "token", "secret"}, func(s string) bool { return strings.Contains(normal, s) }) {
			continue
		}
		kept = append(kept, strings.TrimSpace(p))
	}
	h.Del(name)
	if len(kept) > 0 {
		h.Set(name, strings.Join(kept, ", "))
	}
}

// isSteeringHeader reports whether some servers let the header name override what
// the request line says, or who sent it. A rule on methods or paths would be
// worth nothing.
func isSteeringHeader(normal string) bool {
	switch normal {
	case "forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "cf-connecting-ip",
		"x-http-method-override", "x-http-method", "x-method-override",
		"x-original-url", "x-original-uri", "x-rewrite-url", "x-original-host", "x-host", "x-http-host-override",
		"http2-settings":
		return true
	}
	return strings.HasPrefix(normal, "x-forwarded")
}

// isFraming reports whether the header name belongs to the connection and not to
// what it carries: no credential goes there.
func isFraming(name string) bool {
	switch normalName(name) {
	case "host", "connection", "proxy-connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
		"transfer-encoding", "upgrade", "content-length", "content-type", "content-encoding", "expect", "accept-encoding", "range",
		"if-range", "sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions", "sec-websocket-protocol":
		return true
	}
	return isSteeringHeader(normalName(name))
}

// isForbiddenMethod reports whether no route lets method through: CONNECT and
// PRI open something else than a request, and TRACE has the upstream send back
// the headers, the credential among them.
func isForbiddenMethod(method string) bool {
	return slices.Contains([]string{"CONNECT", "TRACE", "TRACK", "DEBUG", "PRI"}, strings.ToUpper(method))
}

// stripHeader removes from a request what the client may not say: that, and what
// is in further, by its normal name.
func stripHeader(h http.Header, further map[string]bool) {
	for name := range h {
		normal := normalName(name)
		if further[normal] || isCredentialHeader(normal) || isSteeringHeader(normal) {
			delete(h, name)
		}
	}
}

// stripQuery removes the parameters by which clients authenticate, with auth, and
// those by which frameworks let them override the method. The rest is left as it is, byte
// for byte: an upstream may have signed it, or read it in a way of its own.
func stripQuery(raw string, auth *Auth, further map[string]bool) string {
	if raw == "" {
		return ""
	}
	var kept []string
	for pair := range strings.SplitSeq(raw, "&") {
		if !slices.ContainsFunc(strings.Split(pair, ";"), func(p string) bool { return isStrippedParameter(p, auth, further) }) {
			kept = append(kept, pair)
		}
	}
	return strings.Join(kept, "&")
}

func isStrippedParameter(pair string, auth *Auth, further map[string]bool) bool {
	name, _, _ := strings.Cut(pair, "=")
	// Lenient, as servers are: what cannot be decoded is compared as it is.
	if plain, err := url.QueryUnescape(name); err == nil {
		name = plain
	}
	name, _, _ = strings.Cut(name, "[") // key[]=… is key to some
	name = normalName(strings.Trim(name, " \x00\t\r\n"))
	if further[name] || auth != nil && auth.Scheme == "sigv4" && isSigned(name) {
		return true
	}
	switch name {
	case "-method":
		return true
	case "key", "auth", "token", "api-token", "api-key", "apikey", "x-api-key", "access-token", "accesstoken", "auth-token", "oauth-token",
		"private-token", "job-token", "authorization", "bearer-token", "client-secret", "subscription-key",
		"x-goog-api-key", "x-goog-credential", "x-goog-signature", "googleaccessid",
		"x-amz-credential", "x-amz-signature", "x-amz-security-token", "awsaccesskeyid":
		return auth != nil
	}
	return false
}

// isSigned reports whether a parameter belongs to a signature of AWS in a URL.
func isSigned(normal string) bool {
	switch normal {
	case "x-amz-algorithm", "x-amz-date", "x-amz-expires", "x-amz-signedheaders":
		return true // the others are credentials to everybody
	}
	return false
}
