package plan

// An Op is what a node does. The set is sealed: Image, ImageBuild, ImageRootfs,
// ImageSidecar, Network, Volume, Container and Start.
//
//sumtype:decl
type Op interface {
	isOp()
	// String is the operation in a few words, for the plan's text.
	String() string
}

// A Pull says when a registry is asked for an image.
type Pull string

// The pull policies, named as `docker run --pull` names them.
const (
	PullMissing Pull = "missing" // the default: only when the engine has none
	PullAlways  Pull = "always"
	PullNever   Pull = "never"
)

// Image is an image that the engine has or pulls.
type Image struct {
	Ref  string `json:"ref"`
	Pull Pull   `json:"pull"`
}

// ImageBuild is an image made by the engine from a Dockerfile.
type ImageBuild struct {
	Context    string            `json:"context"` // a directory of the host, see Mount.Source
	Dockerfile string            `json:"dockerfile"`
	Args       map[string]string `json:"args,omitempty"`
}

// ImageRootfs is an image of one layer, made from a tar archive of a root file
// system.
type ImageRootfs struct {
	Tar string `json:"tar"` // a file of the host, see Mount.Source
}

// ImageSidecar is the image that bottle makes of its own executable.
type ImageSidecar struct{}

// Network is a bridge network whose subnet bottle chooses.
type Network struct {
	// Internal networks have no route out and no address of the host.
	Internal bool `json:"internal"`
	// Subnet in CIDR notation; empty to take one from the pool.
	Subnet string `json:"subnet,omitempty"`
	// Hosts is how many containers must fit.
	Hosts int `json:"hosts"`
	// Isolated forbids the containers on the network to talk to each other.
	Isolated bool `json:"isolated,omitempty"`
}

// Volume is a volume of the engine. It is removed with the launch unless Keep
// names it, in which case launches share it.
type Volume struct {
	Keep string `json:"keep,omitempty"`
}

// A Role is what bottle trusts a container with.
type Role string

// The roles.
const (
	Agent   Role = "agent"   // untrusted: what the launch is for
	Service Role = "service" // a trusted helper
	Sidecar Role = "sidecar" // bottle's own
)

// Container is a container, created with its files and connected, not started.
type Container struct {
	Role  Role `json:"role"`
	Image ID   `json:"image"`
	// Setup are lines for the image's /bin/sh, run before the command.
	Setup []string `json:"setup,omitempty"`
	// Entrypoint and Command replace the image's where they are not nil.
	Entrypoint []string          `json:"entrypoint,omitempty"`
	Command    []string          `json:"command,omitempty"`
	Env        map[string]string `json:"env,omitempty"`
	// Wired are the names of those of Env that the script did not give itself.
	Wired []string `json:"wired,omitempty"`
	// Git are settings of git, which it reads from GIT_CONFIG_COUNT and its kin.
	// The engine appends them to those of Env, or else of the image.
	Git []Setting `json:"git,omitempty"`
	// Ticket is how the container shows its cred-proxy who it is; nil where
	// everybody on the network is the same.
	Ticket   *Ticket    `json:"ticket,omitempty"`
	User     string     `json:"user,omitempty"`
	Workdir  string     `json:"workdir,omitempty"`
	Networks []Endpoint `json:"networks,omitempty"`
	// DNS is the one resolver behind the engine's own. Nil means none: every
	// name that is not a container's is refused inside the container.
	DNS *Address `json:"dns,omitempty"`
	// OpenDNS gives the container the resolvers of its host instead.
	OpenDNS bool `json:"open_dns,omitempty"`
	// Hosts are further names in /etc/hosts: name to address, or "host-gateway".
	Hosts  map[string]string `json:"hosts,omitempty"`
	Files  []File            `json:"files,omitempty"`
	Mounts []Mount           `json:"mounts,omitempty"`
	// Stdin is what the container reads first. While the launch lives its stdin
	// stays open; the end of it tells a sidecar that its launcher is gone.
	Stdin  []Input `json:"stdin,omitempty"`
	Limits Limits  `json:"limits"`
	// ReadOnly gives a root file system that cannot be written.
	ReadOnly bool `json:"read_only,omitempty"`
	// Runtime is a runtime registered with the engine, "runsc"; empty for its
	// default.
	Runtime string `json:"runtime,omitempty"`
}

// Limits bound what a container takes of its host. Zero values mean the
// defaults of the engine.
type Limits struct {
	MilliCPUs int64 `json:"milli_cpus,omitempty"`
	Memory    int64 `json:"memory,omitempty"` // bytes; swap is not given on top
	PIDs      int64 `json:"pids,omitempty"`
	Timeout   int64 `json:"timeout,omitempty"` // seconds from the start; then the container is stopped
}

// An Endpoint is a container's place on a network.
type Endpoint struct {
	Network ID `json:"network"`
	// Aliases are names by which others on the network resolve the container.
	Aliases []string `json:"aliases,omitempty"`
	// Host fixes the address: the n-th of the subnet. Zero lets the engine pick.
	// On its first network it makes the container depend on the network.
	Host int `json:"host,omitempty"`
}

// An Address is the Host-th address of a network's subnet.
type Address struct {
	Network ID  `json:"network"`
	Host    int `json:"host"`
}

// A Setting is a key and its value. Keys may repeat.
type Setting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// A Ticket tells a cred-proxy which container asks. When the container is
// created, "/~" and the token are put behind each of Bases, and the token in the
// place of Placeholder: in the values of Env, in Git, the entrypoint, command and setup,
// and in files that are Literals.
type Ticket struct {
	Bases       []string  `json:"bases"` // "//cred-proxy:9099", "https://cred-proxy"
	Placeholder string    `json:"placeholder"`
	Token       Generated `json:"token"`
}

// A File is put into a container before it starts.
type File struct {
	// Path is absolute, and the file then root's; or it begins with "~/" for the
	// home of the container's user, whose the file and the directories made for
	// it then are.
	Path   string `json:"path"`
	Mode   int64  `json:"mode"` // permission bits
	Source Source `json:"source"`
	// Present says what becomes of a file that is there already; empty replaces
	// it.
	Present Present `json:"present,omitempty"`
}

// A Present says what is done about a file that a container has already. What
// bottle put there itself, in a home that is kept, is replaced in any case.
type Present string

// What is done about it.
const (
	PresentRefuse  Present = "refuse"  // the launch fails, and says why
	PresentPrepend Present = "prepend" // the new content goes to its head, between comments that begin with "#"
)

// A MountKind says what a Mount shows.
type MountKind string

// The kinds of mounts.
const (
	Bind  MountKind = "bind"
	Vol   MountKind = "volume"
	Tmpfs MountKind = "tmpfs"
)

// A Mount shows a directory in a container.
type Mount struct {
	Kind   MountKind `json:"kind"`
	Target string    `json:"target"` // absolute
	// Source of a bind is a path of the host: absolute, "~/…", or relative to
	// the directory of the launch script.
	Source string `json:"source,omitempty"`
	// Volume is the node of a volume mount.
	Volume   ID   `json:"volume,omitempty"`
	ReadOnly bool `json:"read_only,omitempty"`
	// Size bounds a tmpfs, in bytes. Zero is the engine's default.
	Size int64 `json:"size,omitempty"`
}

// A Ready says when a started container counts as done.
type Ready string

// The signs of readiness.
const (
	// Running: the engine started it.
	Running Ready = "running"
	// Healthy: its image's HEALTHCHECK passed; Running for an image without one.
	Healthy Ready = "healthy"
	// Reported: it wrote a line {"event":"ready"} to its standard output.
	Reported Ready = "reported"
)

// Start starts a created container, hands it its Stdin and waits for its sign of
// readiness.
type Start struct {
	Container ID    `json:"container"`
	Ready     Ready `json:"ready"`
}

func (Image) isOp()        {}
func (ImageBuild) isOp()   {}
func (ImageRootfs) isOp()  {}
func (ImageSidecar) isOp() {}
func (Network) isOp()      {}
func (Volume) isOp()       {}
func (Container) isOp()    {}
func (Start) isOp()        {}
