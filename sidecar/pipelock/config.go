package pipelock

// A Config says what a gate lets through. It never holds a secret.
type Config struct {
	// Listen is the TCP address of the proxy, ":8888".
	Listen string `json:"listen"`
	// DNS is the address, UDP and TCP, of the resolver that refuses every name,
	// ":53".
	DNS string `json:"dns"`
	// Allow is what clients that do not authenticate, which is the agent, may
	// reach.
	Allow []Rule `json:"allow"`
	// Deny are host patterns that nobody may reach, whatever Allow says.
	Deny []Rule `json:"deny,omitempty"`
	// Upstreams is what the cred-proxy may reach: the hosts of its routes.
	Upstreams []Rule `json:"upstreams,omitempty"`
	// Sidecars are the launch's own helpers, "cred-proxy:9099" or "mcp" for every
	// port, which the agent may reach in plain HTTP though they resolve to private
	// addresses.
	Sidecars []string `json:"sidecars,omitempty"`
	// Aliases are https addresses that a sidecar answers. The agent may ask them.
	Aliases []Alias `json:"aliases,omitempty"`
	// Passthrough are host patterns whose TLS is not intercepted, only held
	// against SNI. They must be allowed as well.
	Passthrough []string `json:"passthrough,omitempty"`
	// Private are host patterns that may resolve to private addresses.
	Private []string `json:"private,omitempty"`
	// Trust are further CA certificates for upstreams, in PEM.
	Trust string `json:"trust,omitempty"`
	// UpstreamProxy is an HTTP proxy to the world, "http://proxy.corp:3128".
	UpstreamProxy string `json:"upstream_proxy,omitempty"`
	// DLP is "block", "warn" or "off".
	DLP string `json:"dlp"`
	// DLPAllow are findings that are none.
	DLPAllow []Excuse `json:"dlp_allow,omitempty"`
}

// An Excuse says that what a rule finds is no secret.
type Excuse struct {
	// Rule is the name of gitleaks' rule.
	Rule string `json:"rule"`
	// Host is a name or a pattern, Path a glob; empty for all.
	Host string `json:"host,omitempty"`
	Path string `json:"path,omitempty"`
	// Hash is what the refusal called the value; empty for every value.
	Hash string `json:"hash,omitempty"`
	// Pos is the place in the script.
	Pos string `json:"pos,omitempty"`
}

// A Rule lets requests to a host through.
type Rule struct {
	// Host is a name, or "*.name" for every name below it.
	Host string `json:"host"`
	// Ports; empty for 80 and 443.
	Ports []int `json:"ports,omitempty"`
	// Methods; empty for all. A rule with methods, paths or a body limit does not
	// match a passthrough tunnel.
	Methods []string `json:"methods,omitempty"`
	// Paths are globs as in a route: "*" is one segment, "**" any number.
	Paths []string `json:"paths,omitempty"`
	// MaxBody is the largest request body in bytes; 0 is no limit.
	MaxBody int64 `json:"max_body,omitempty"`
	// DLP is "block", "warn" or "off" for requests that the rule lets through; empty
	// for the configuration's.
	DLP string `json:"dlp,omitempty"`
	// TCP rules let whole tunnels through, whatever is in them, and no HTTP requests.
	TCP bool `json:"tcp,omitempty"`
	// Rate, Bytes (both directions together), For (seconds since the rule came in
	// force) and Uses (requests and tunnels) bound what the rule lets through; 0 is no
	// bound. Only in Allow.
	Rate  *Rate `json:"rate,omitempty"`
	Bytes int64 `json:"bytes,omitempty"`
	For   int64 `json:"for,omitempty"`
	Uses  int64 `json:"uses,omitempty"`
	// Credentials are the headers that the credentials of routes are injected in,
	// and Parameters those of the query, which are not scanned for secrets. Only in
	// Upstreams, where they hold for the host: several routes may lead there.
	Credentials []string `json:"credentials,omitempty"`
	Parameters  []string `json:"parameters,omitempty"`
	// Pos is the place in the script, "launch.star:12:5".
	Pos string `json:"pos,omitempty"`
}

// An Alias has the gate answer https on port 443 of a host with a certificate of
// the launch's CA, and hand what is asked to a sidecar in plain HTTP: for clients
// that insist on https ("cred-proxy"), and for those that follow an upstream's own
// URLs, which then lead to its route.
type Alias struct {
	// Host is a name.
	Host string `json:"host"`
	// Prefix of the path, without a slash at its end; empty for all. What does not
	// begin with it is decided by the rules.
	Prefix string `json:"prefix,omitempty"`
	// Sidecar is one of Sidecars, with its port.
	Sidecar string `json:"sidecar"`
	// Path takes the place of Prefix.
	Path string `json:"path,omitempty"`
}

// The names of the values that a gate reads from its standard input.
const (
	InputConfig = "config"     // a Config in JSON
	InputCACert = "ca.pem"     // the certificate of the launch's CA
	InputCAKey  = "ca-key.pem" // its private key, SEC 1
	InputToken  = "cred-proxy-token"
)
