package git

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Advertise makes of the server's list of refs for pushing the one for the
// client: asked for packs that are complete in themselves, and without what
// would be refused. A list that is none of protocol version 0 is an error.
func Advertise(body io.ReadCloser) (io.ReadCloser, error) {
	r := bufio.NewReader(body)
	var head strings.Builder
	for range 3 { // the service and a flush, which smart servers send first
		p, err := readPacket(r)
		if err != nil {
			return nil, fmt.Errorf("the list of refs: %w", cutOff(err))
		}
		line := string(p.data)
		switch {
		case p.mark == pktFlush:
			head.WriteString(flush)
			continue
		case strings.HasPrefix(line, "# service="):
			head.WriteString(pkt(line))
			continue
		case strings.HasPrefix(line, "ERR "):
			head.WriteString(pkt(line))
			return joined{io.MultiReader(strings.NewReader(head.String()), r), body}, nil
		}
		ref, caps, ok := strings.Cut(line, "\x00")
		if !ok {
			return nil, errors.New("the list of refs is none that was asked for")
		}
		if caps, err = advertised(caps); err != nil {
			return nil, err
		}
		head.WriteString(pkt(ref + "\x00" + caps + "\n"))
		return joined{io.MultiReader(strings.NewReader(head.String()), r), body}, nil
	}
	return nil, errors.New("the list of refs has no beginning")
}

// advertised returns the capabilities that are passed on.
func advertised(caps string) (string, error) {
	kept := []string{"no-thin"}
	for c := range strings.FieldsSeq(caps) {
		name, value, _ := strings.Cut(c, "=")
		switch name {
		case "no-thin", "push-options", "push-cert":
			continue
		case "object-format":
			if value != "sha1" {
				return "", fmt.Errorf("repositories with %.20q are not understood: pushes cannot be judged", value)
			}
		}
		kept = append(kept, c)
	}
	return strings.Join(kept, " "), nil
}

type joined struct {
	io.Reader
	io.Closer
}
