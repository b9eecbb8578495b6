package credproxy

// A Config is the route table of a cred-proxy. It never holds a secret: an Auth
// names the slot that the launcher fills over standard input.
type Config struct {
	// Listen is a TCP address, ":9099".
	Listen string  `json:"listen"`
	Routes []Route `json:"routes"`
	// Agents are the clients, when they have different routes: then every request
	// must carry the token of one of them (InputAgent). Empty for one agent, or for
	// several that may all use every route.
	Agents []Agent `json:"agents,omitempty"`
	// Proxy is the gate's URL, "http://pipelock:8888"; empty to dial upstreams
	// directly. It goes with the gate's CA certificate, one never without the
	// other.
	Proxy string `json:"proxy,omitempty"`
	// Trust are further CA certificates for upstreams, in PEM: those of hosts that
	// the gate passes through, and, without a gate, of any.
	Trust string `json:"trust,omitempty"`
}

// An Agent is a client that is told from others by its token. It gives the token
// as the first segment of the path, after a tilde ("/~TOKEN/anthropic/v1"), or as
// the placeholder of its credential: in Authorization (Bearer, token, the password
// of Basic, the access key of AWS4-HMAC-SHA256, or bare), X-Api-Key or
// X-Goog-Api-Key.
type Agent struct {
	// Name is the client in the audit.
	Name string `json:"name"`
	// Routes are the paths of the routes that it may use; empty for none.
	Routes []string `json:"routes"`
}

// A Route sends requests below a path prefix to an upstream, with a credential.
type Route struct {
	// Path is the prefix, with a slash at both ends: "/anthropic/".
	Path string `json:"path"`
	// Upstream is an https URL with an optional path: "https://api.anthropic.com".
	Upstream string `json:"upstream"`
	// PlainHTTP allows an http Upstream. It is for an address inside the launch.
	PlainHTTP bool `json:"plain_http,omitempty"`
	// Auth is the credential that is added; nil for none.
	Auth *Auth `json:"auth,omitempty"`
	// Methods that are let through; empty for all.
	Methods []string `json:"methods,omitempty"`
	// Paths are globs on the path below the prefix ("/v1/messages", "/repos/*/pulls",
	// "/v1/**"): "*" is one segment, "**" any number. Empty for all.
	Paths []string `json:"paths,omitempty"`
	// Protocol is "graphql" or "jsonrpc", for Operations; empty without them.
	Protocol string `json:"protocol,omitempty"`
	// Operations that are let through, as globs: root fields of GraphQL
	// ("query.viewer", "mutation.*"), or methods of JSON-RPC ("tools/call",
	// "resources/*"). Empty for all.
	Operations []string `json:"operations,omitempty"`
	// Push are the rules for pushing with git; nil refuses every push.
	Push *Push `json:"push,omitempty"`
	// MaxRequests is how many requests may be sent over the route; 0 for any number.
	MaxRequests int64 `json:"max_requests,omitempty"`
	// MaxBytes is how many bytes bodies and WebSockets may carry over the route, in
	// both directions together; 0 for any number.
	MaxBytes int64 `json:"max_bytes,omitempty"`
	// Rate is how many requests may be sent in a time; nil for any number.
	Rate *Rate `json:"rate,omitempty"`
	// For is how long the route lasts from the time that it comes into force, in
	// seconds; 0 for as long as the launch. What runs on it ends with it.
	For int64 `json:"for,omitempty"`
	// Uses is how many requests may be sent before the route ends; 0 for any number.
	Uses int64 `json:"uses,omitempty"`
	// Roles say how the agent's tools find the route.
	Roles []string `json:"roles,omitempty"`
	// Pos is the place in the script that declared the route, "launch.star:3:5".
	Pos string `json:"pos,omitempty"`
}

// A Push says what may be pushed with git over smart HTTP.
type Push struct {
	// Refs are globs of the refs that may be created and moved forward:
	// "refs/heads/agent/*". At least one.
	Refs []string `json:"refs"`
	// Protect are globs of files that no pushed commit may change:
	// ".github/workflows/**".
	Protect []string `json:"protect,omitempty"`
	// Scan has pushed objects searched for secrets.
	Scan bool `json:"scan,omitempty"`
}

// A Rate is a number of requests in a number of seconds. All of them may come at
// once.
type Rate struct {
	Requests int64 `json:"requests"`
	Seconds  int64 `json:"seconds"`
}

// An Auth says how a credential is put into a request.
type Auth struct {
	// Scheme is "bearer", "token", "basic", "header", "query", "sigv4" (AWS
	// Signature Version 4, with which requests are signed anew) or "registry" (the
	// token flow of container registries).
	Scheme string `json:"scheme"`
	// Secret is the name of the slot, which is how the script spells the secret:
	// `secret.env("NAME")`. Routes with the same secret share a slot. For sigv4 it
	// is the secret access key.
	Secret string `json:"secret"`
	// User is the user name of basic and registry.
	User string `json:"user,omitempty"`
	// Header is the name of the header of scheme "header".
	Header string `json:"header,omitempty"`
	// Query is the name of the parameter of scheme "query".
	Query string `json:"query,omitempty"`
	// Region and Service are the scope of sigv4: "eu-central-1", "s3".
	Region  string `json:"region,omitempty"`
	Service string `json:"service,omitempty"`
	// AccessKey is the slot of sigv4's access key ID, SessionToken that of its
	// session token; SessionToken is empty for long-lived keys.
	AccessKey    string `json:"access_key,omitempty"`
	SessionToken string `json:"session_token,omitempty"`
	// Realm is the https URL at which registry gets its tokens, whatever the
	// registry says. It is asked like an upstream: a gate must let the cred-proxy
	// reach it.
	Realm string `json:"realm,omitempty"`
}

// Slots returns the names of the slots whose values a needs.
func (a *Auth) Slots() []string {
	slots := []string{a.Secret}
	for _, s := range []string{a.AccessKey, a.SessionToken} {
		if s != "" {
			slots = append(slots, s)
		}
	}
	return slots
}

// The names of the values that a cred-proxy reads from its standard input,
// besides one for each slot.
const (
	InputConfig = "config"      // a Config in JSON
	InputCA     = "ca.pem"      // the gate's CA certificate
	InputToken  = "proxy-token" // by which the gate knows the cred-proxy
)

// InputAgent returns the name of the value that is the token of an agent.
func InputAgent(name string) string { return inputAgent + name }

const inputAgent = "agent:"
