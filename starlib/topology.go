package starlib

import (
	"strconv"

	"go.starlark.net/starlark"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/sidecar/pipelock"
)

// topology are the builtins that declare the parts of a launch.
func topology() []*Builtin {
	networkArg := Arg{Name: "network", Type: "network", Default: "None", Keyword: true, Doc: "which network it belongs to; needed when the launch declares several"}
	imageArg := Arg{Name: "image", Type: "string or image", Doc: "what it is made of"}
	return []*Builtin{
		{
			Name: "network", Declares: true,
			Doc: "Declares a trust boundary: a network without a route out, with no address of the host on it. A launch that declares none has one, called \"default\".",
			Params: []Arg{
				{Name: "name", Type: "string", Default: `"default"`, Doc: "its name in the launch"},
				{Name: "subnet", Type: "string", Default: "None", Keyword: true, Doc: `a private IPv4 prefix, "10.9.0.0/24"; by default a free one is chosen`},
			},
			call: networkBuiltin,
		},
		{
			Name: "cred_proxy", Declares: true,
			Doc: "Declares the sidecar that adds credentials to the requests of its routes, so that the agent holds none. " +
				"Its handle has `.url(path)`, `.host` and `.port`.",
			Params: []Arg{
				{Name: "routes", Type: "list of routes", Doc: "from route(), or dicts"},
				networkArg,
				{Name: "port", Type: "int", Default: "9099", Keyword: true, Doc: "where it listens"},
				{Name: "trust", Type: "list of strings", Default: "[]", Keyword: true, Doc: "PEM files with further certificate authorities of upstreams, relative to the launch script; behind a gate that is for the hosts that it passes through"},
				{Name: "image", Type: "string or image", Default: "None", Keyword: true, Doc: "an image to use in place of bottle's own; it must speak the protocol of docs/sidecars.md"},
			},
			call: credProxyBuiltin,
		},
		urlBuiltin(nil),
		{
			Name: "pipelock", Declares: true,
			Doc: "Declares the gate of a network: what the agent may reach, and what may not leave. Its handle has `.host`, `.port` and `.url`.",
			Params: append([]Arg{
				{Name: "allow", Type: "list of hosts or rules", Default: "[]", Doc: `names, "*.name" for all below a name, or rule(…)`},
				{Name: "deny", Type: "list of hosts or rules", Default: "[]", Keyword: true, Doc: "what is refused whatever allow says"},
			}, append(gateArgs(), networkArg)...),
			call: pipelockBuiltin,
		},
		{
			Name: "rule",
			Doc:  "Describes what may be asked of a host. Without methods or paths, everything.",
			Params: []Arg{
				{Name: "host", Type: "string", Doc: `a name, or "*.name"`},
				{Name: "methods", Type: "list of strings", Default: "[]", Keyword: true, Doc: "the only methods let through"},
				{Name: "paths", Type: "list of strings", Default: "[]", Keyword: true, Doc: `the only paths let through: "*" is one segment, "**" any number`},
				{Name: "ports", Type: "list of ints", Default: "[80, 443]", Keyword: true, Doc: "the ports"},
				{Name: "max_body", Type: "size", Default: "None", Keyword: true, Doc: "the largest request body"},
				option("dlp", "string", "None", "what happens to secrets in these requests: \"block\", \"warn\" or \"off\"; by default what the gate's dlp says"),
				option("rate", "string", "None", `how many requests may be sent in a time: "10/s", "60/m", "100/15m"`),
				option("bytes", "size", "None", "how much may be sent and answered, together"),
				option("for_", "duration", "None", "how long the rule lasts from the time that it comes into force"),
				option("uses", "int", "None", "how many requests may be sent before the rule ends"),
			},
			call: func(c *call) (starlark.Value, error) {
				r := ruleOf(c)
				return &opaque[pipelock.Rule]{v: r, typ: "rule", text: "rule(" + strconv.Quote(r.Host) + ")"}, nil
			},
		},
		{
			Name: "tcp",
			Doc:  "Describes a port of a host for other protocols than HTTP, a database's or that of SSH. The agent reaches it by CONNECT through the gate, which reads nothing of it.",
			Params: []Arg{
				{Name: "host", Type: "string", Doc: `a name, or "*.name"`},
				{Name: "port", Type: "int", Doc: "the port"},
				option("rate", "string", "None", `how many connections may be made in a time: "10/s", "60/m"`),
				option("bytes", "size", "None", "how much may be sent and received, together"),
				option("for_", "duration", "None", "how long the rule lasts from the time that it comes into force"),
				option("uses", "int", "None", "how many connections may be made before the rule ends"),
			},
			call: func(c *call) (starlark.Value, error) {
				r := pipelock.Rule{Host: c.host("host", c.str("host", "")), Ports: []int{int(c.integer("port", 0, 1, 65535))}, TCP: true, Pos: c.pos.String()}
				boundsOf(c, &r)
				return &opaque[pipelock.Rule]{v: r, typ: "rule", text: "tcp(" + strconv.Quote(r.Host) + ")"}, nil
			},
		},
		{
			Name: "excuse",
			Doc:  "Says that what a rule of gitleaks finds in what leaves is no secret, for dlp_allow. A refusal tells rule and hash.",
			Params: []Arg{
				{Name: "rule", Type: "string", Doc: `the name of the rule, "generic-api-key"`},
				option("host", "string", "None", "the only host it may go to"),
				option("path", "string", "None", `the only paths: "*" is one segment, "**" any number`),
				option("hash", "string", "None", "the hash of the only value"),
			},
			call: excuseBuiltin,
		},
		{
			Name: "agent", Declares: true,
			Doc: "Declares the untrusted container that the launch is for. It has no route out, no capability and no credential. " +
				"Its handle has `.name` and `.host`.",
			Params: append([]Arg{imageArg}, append([]Arg{
				{Name: "name", Type: "string", Default: `"agent"`, Keyword: true, Doc: "its name, also on the network"},
				{Name: "setup", Type: "list of strings", Default: "[]", Keyword: true, Doc: "lines for the image's /bin/sh, run before the command"},
				{Name: "routes", Type: "list of strings or routes", Default: "None", Keyword: true, Doc: "the routes of its cred_proxy() that it may use, or their paths; by default all. The agents of a network are then told apart by a token that each has in its URLs and placeholders"},
				{Name: "timeout", Type: "duration", Default: "None", Keyword: true, Doc: `how long it may run: seconds, or "30m"; bottle then exits with 124`},
				{Name: "memory", Type: "size", Default: `"4g"`, Keyword: true, Doc: "the most memory, swap included"},
				{Name: "pids", Type: "int", Default: "1024", Keyword: true, Doc: "the most processes and threads"},
			}, append(containerArgs(), networkArg)...)...),
			call: func(c *call) (starlark.Value, error) { return containerBuiltin(c, plan.Agent) },
		},
		{
			Name: "service", Declares: true,
			Doc: "Declares a trusted helper, such as a database or an MCP server. It starts before the agents of its network. " +
				"Its handle has `.name` and `.host`.",
			Params: append([]Arg{
				{Name: "name", Type: "string", Doc: "its name, also on the network"},
				imageArg,
				{Name: "outside", Type: "bool", Default: "False", Keyword: true, Doc: "whether it stands outside, where the sidecars of its network reach it and agents do not"},
				{Name: "memory", Type: "size", Default: "None", Keyword: true, Doc: "the most memory, swap included"},
				{Name: "pids", Type: "int", Default: "4096", Keyword: true, Doc: "the most processes and threads"},
			}, append(containerArgs(), networkArg)...),
			call: func(c *call) (starlark.Value, error) { return containerBuiltin(c, plan.Service) },
		},
	}
}

// gateArgs are the parameters of pipelock() that only it has.
func gateArgs() []Arg {
	return []Arg{
		{Name: "dlp", Type: "string", Default: `"block"`, Keyword: true, Doc: `what happens when a secret is about to leave: "block", "warn" or "off"`},
		option("dlp_allow", "list of excuses", "[]", "what looks like a secret and is none: excuse(…)"),
		{Name: "passthrough", Type: "list of hosts", Default: "[]", Keyword: true, Doc: "allowed hosts whose TLS is not opened, for clients that pin certificates; nothing that goes there is read"},
		{Name: "private", Type: "list of hosts", Default: "[]", Keyword: true, Doc: "hosts that may resolve to private addresses"},
		{Name: "trust", Type: "list of strings", Default: "[]", Keyword: true, Doc: "PEM files with further certificate authorities of upstreams, relative to the launch script"},
		{Name: "upstream_proxy", Type: "string", Default: "None", Keyword: true, Doc: `the way to the world where there is only a proxy: "http://proxy.corp:3128"`},
		{Name: "hosts", Type: "dict of strings", Default: "{}", Keyword: true, Doc: `further names that the gate knows: {"git.corp": "10.1.2.3"}; "host-gateway" is the host`},
	}
}

// containerArgs are the parameters that agents and services share.
func containerArgs() []Arg {
	return []Arg{
		{Name: "command", Type: "list of strings", Default: "None", Keyword: true, Doc: "replaces the image's command"},
		{Name: "entrypoint", Type: "list of strings", Default: "None", Keyword: true, Doc: "replaces the image's entrypoint"},
		{Name: "env", Type: "dict of strings", Default: "{}", Keyword: true, Doc: "variables"},
		{Name: "mounts", Type: "list of mounts", Default: "[]", Keyword: true, Doc: "from mount(), volume() and tmpfs()"},
		{Name: "files", Type: "list of files", Default: "[]", Keyword: true, Doc: "from file()"},
		{Name: "needs", Type: "list of services", Default: "[]", Keyword: true, Doc: "what must be up before it starts"},
		{Name: "user", Type: "string", Default: "None", Keyword: true, Doc: `"name", "uid" or "uid:gid"; by default the image's`},
		{Name: "workdir", Type: "string", Default: "None", Keyword: true, Doc: "the working directory; by default the image's"},
		{Name: "cpus", Type: "float", Default: "None", Keyword: true, Doc: "how many processors it may use"},
		{Name: "runtime", Type: "string", Default: "None", Keyword: true, Doc: `a runtime of the engine, such as "runsc"`},
	}
}
