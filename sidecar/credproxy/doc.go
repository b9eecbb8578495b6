// Package credproxy is the sidecar that adds to the agent's requests the
// credential that the agent never sees: a reverse proxy with a table of routes.
//
// The rule that shapes it: a credential leaves for the scheme, host, port and
// path of its own route and for nothing else. Nothing that a client sends
// chooses the upstream but the path, and of that only the canonical form counts
// (sidecar.CanonicalPath), which is also the form that is sent. Redirects are
// handed to the client. What the upstream answers is searched for the credential
// on the way back.
//
// On every route, whether it has a credential or not:
//
//   - the client's own credentials are removed (headers that carry one, and for
//     routes with a credential also query parameters), so that nobody works in a
//     stranger's account; so are headers by which servers let a client choose
//     another method, path, host or address (X-HTTP-Method-Override,
//     X-Original-URL, Forwarded, X-Forwarded-*), and hop-by-hop headers;
//   - Set-Cookie is removed: a session is a credential too, and Cookie is
//     removed from what the client sends;
//   - the URLs in Location, Content-Location and Link lead back to the route;
//   - upstreams are asked not to compress;
//   - the only protocol to upgrade to is WebSocket.
//
// What a route allows by the names of operations is read whole before anything of
// it is sent, and refused when it could be read in two ways. What was used of a
// route belongs to its grant, which outlives configurations that leave it alone.
//
// Where an answer could hold a credential, Range and the extensions of WebSocket
// are not passed on: pieces and compressed frames cannot be searched. What is
// found is overwritten with asterisks, byte for byte, so that lengths stay true.
// It is found as it is, escaped for URLs, JSON or HTML, in base64 and in hex;
// an upstream that encrypts or reverses what it echoes defeats the search.
package credproxy
