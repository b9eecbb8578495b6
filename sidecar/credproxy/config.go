package credproxy

// A Config is the route table of a cred-proxy. It never holds a secret: an Auth
// names the slot that the launcher fills over standard input.
type Config struct {
	// Listen is a TCP address, ":9099".
	Listen string  `json:"listen"`
	Routes []Route `json:"routes"`
	// Proxy is the gate's URL, "http://pipelock:8888"; empty to dial upstreams
	// directly. It goes with the gate's CA certificate, one never without the
	// other.
	Proxy string `json:"proxy,omitempty"`
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
	// Roles say how the agent's tools find the route.
	Roles []string `json:"roles,omitempty"`
	// Pos is the place in the script that declared the route, "launch.star:3:5".
	Pos string `json:"pos,omitempty"`
}

// An Auth says how a credential is put into a request.
type Auth struct {
	// Scheme is "bearer", "token", "basic" or "header".
	Scheme string `json:"scheme"`
	// Secret is the name of the slot, which is how the script spells the secret:
	// `secret.env("NAME")`. Routes with the same secret share a slot.
	Secret string `json:"secret"`
	// User is the user name of basic.
	User string `json:"user,omitempty"`
	// Header is the name of the header of scheme "header".
	Header string `json:"header,omitempty"`
}

// The names of the values that a cred-proxy reads from its standard input,
// besides one for each slot.
const (
	InputConfig = "config"      // a Config in JSON
	InputCA     = "ca.pem"      // the gate's CA certificate
	InputToken  = "proxy-token" // by which the gate knows the cred-proxy
)
