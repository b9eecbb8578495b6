package docker

import (
	"bufio"
	"net"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/image"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bottle-run/bottle/runtime/plan"
)

// Attached returns an engine that is attached to one sidecar, container:s, whose
// standard input is conn, and the function that takes a line of its output.
func Attached(conn net.Conn) (*Engine, func(line string)) {
	op := plan.Container{Role: plan.Sidecar, Stdin: []plan.Input{{Name: "config", Source: plan.Literal("{}")}}}
	n := &plan.Node{ID: "container:s", Op: op}
	e := new(Client).Launch(Launch{})
	p := &process{
		node: n, conn: types.HijackedResponse{Conn: conn, Reader: bufio.NewReader(conn)},
		ready: make(chan struct{}), drained: make(chan struct{}), exited: make(chan struct{}), removed: make(chan struct{}),
		input: newFeed(), stale: func(slot string) { e.staleSlot(n, slot) },
	}
	e.running[n.ID] = p
	return e, func(line string) { p.stdout([]byte(line), op, nil) }
}

// Settled is how old a change of a file must be before its digest is kept.
const Settled = settled

// Recall is recall for a layer that is only its digest.
func Recall(cache, path string, measured func() string) (digest string, err error) {
	l, err := recall(cache, path, func() (layer, error) { return layer{digest: measured()}, nil })
	return l.digest, err
}

// RefuseMount says why a launch with a journal must not mount path.
func RefuseMount(journal, path string) error {
	return new(Client).Launch(Launch{Journal: journal}).refuseMount(path)
}

// Differs says in what an image is not the one of a layer with the digest.
func Differs(found image.InspectResponse, arch, digest string, config ocispec.ImageConfig) (string, error) {
	return differs(found, arch, layer{digest: digest}, config)
}
