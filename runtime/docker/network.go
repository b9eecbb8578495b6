package docker

import (
	"context"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/versions"

	"github.com/bottle-run/bottle/runtime/plan"
)

// apiIsolated is the first API version, of engine 28, whose bridge driver knows
// the gateway mode "isolated" (moby's bridge documentation, gateway_mode_ipv4).
const apiIsolated = "1.48"

// maxTries bounds the search for a subnet that the engine takes.
const maxTries = 256

func (e *Engine) createNetwork(ctx context.Context, n *plan.Node, op plan.Network) error {
	if op.Subnet != "" {
		subnet, err := netip.ParsePrefix(op.Subnet)
		if err != nil {
			return err
		}
		if err := e.tryNetwork(ctx, n, op, subnet); err != nil {
			return explainSubnet(err, subnet)
		}
		return nil
	}
	taken := hostPrefixes()
	bits := prefixBits(op.Hosts)
	size := uint32(1) << (32 - bits)
	blocks := uint32(1) << max(bits-e.l.Pool.Bits(), 0)
	// Launches that begin at once begin their search in different places.
	h := fnv.New32a()
	_, _ = h.Write([]byte(e.l.Owner + e.l.Name + string(n.ID)))
	first := h.Sum32() % blocks
	var last error
	for i, tries := uint32(0), 0; i < blocks && tries < maxTries; i++ {
		subnet := netip.PrefixFrom(offset(e.l.Pool.Masked().Addr(), (first+i)%blocks*size), bits)
		if overlaps(subnet, taken) {
			continue
		}
		tries++
		last = e.tryNetwork(ctx, n, op, subnet)
		if last == nil || !isOverlap(last) {
			return last
		}
	}
	err := fmt.Errorf("no free subnet in %s: remove unused networks (`bottle prune`, `docker network prune`) or choose another pool with --subnet-pool", e.l.Pool)
	if last != nil {
		err = fmt.Errorf("%w; the engine's last answer: %w", err, last)
	}
	return err
}

func (e *Engine) tryNetwork(ctx context.Context, n *plan.Node, op plan.Network, subnet netip.Prefix) error {
	off := false
	base := subnet.Masked().Addr()
	half := netip.PrefixFrom(offset(base, 1<<(31-subnet.Bits())), subnet.Bits()+1)
	opts := network.CreateOptions{
		Driver: "bridge", Internal: op.Internal, EnableIPv6: &off, Labels: e.labels(n),
		IPAM: &network.IPAM{Config: []network.IPAMConfig{{
			// The engine's own choice of addresses stays in the upper half, so
			// the lower one is free for those that the plan fixes.
			Subnet: subnet.String(), Gateway: offset(base, 1).String(), IPRange: half.String(),
		}}},
		Options: map[string]string{},
	}
	if op.Isolated {
		opts.Options["com.docker.network.bridge.enable_icc"] = "false"
	}
	if op.Internal {
		e.c.isolate(opts.Options)
	}
	made, err := e.c.api.NetworkCreate(ctx, e.name(n.ID), opts)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.subnets[n.ID], e.ids[n.ID] = subnet, made.ID
	return nil
}

// isolate keeps the host off the bridge. An internal network alone leaves the
// host an address on it, and with that every port that listens on 0.0.0.0.
func (c *Client) isolate(options map[string]string) {
	if versions.GreaterThanOrEqualTo(c.api.ClientVersion(), apiIsolated) {
		options["com.docker.network.bridge.gateway_mode_ipv4"] = "isolated"
		options["com.docker.network.bridge.gateway_mode_ipv6"] = "isolated"
		return
	}
	options["com.docker.network.bridge.inhibit_ipv4"] = "true"
}

// prefixBits returns the length of the smallest prefix, /28 at most, in whose
// upper half hosts addresses and the broadcast address fit.
func prefixBits(hosts int) int {
	bits := 28
	for bits > 16 && 1<<(31-bits) < hosts+1 {
		bits--
	}
	return bits
}

func offset(a netip.Addr, n uint32) netip.Addr {
	b := a.As4()
	v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	v += n
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}) //nolint:gosec // the low byte is meant
}

func overlaps(p netip.Prefix, taken []netip.Prefix) bool {
	return slices.ContainsFunc(taken, p.Overlaps)
}

// isOverlap reports whether the engine refused a subnet because another network
// has it. The words are those of libnetwork's IPAM and bridge driver.
func isOverlap(err error) bool {
	s := err.Error()
	return strings.Contains(s, "overlaps") || strings.Contains(s, "conflicts with network") || strings.Contains(s, "already in use")
}

func explainSubnet(err error, subnet netip.Prefix) error {
	if isOverlap(err) {
		return fmt.Errorf("%w; leave subnet= out of network() to have a free one chosen instead of %s", err, subnet)
	}
	return err
}

// reserved are the documentation ranges of RFC 5737 that no launch must shadow:
// machines are known to route them to their package mirrors.
var reserved = []netip.Prefix{ //nolint:gochecknoglobals // a constant in all but syntax
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"),
}

// hostPrefixes are the networks that this machine can reach by other ways: its
// routes and the networks of its interfaces. On a machine that is not the
// engine's they may say nothing of the engine, which then answers itself.
func hostPrefixes() []netip.Prefix {
	taken := append([]netip.Prefix(nil), reserved...)
	taken = append(taken, routes()...)
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return taken
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
			taken = append(taken, p.Masked())
		}
	}
	return taken
}

// address returns an address of a network that has been made.
func (e *Engine) address(a plan.Address) (netip.Addr, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	subnet, ok := e.subnets[a.Network]
	if !ok {
		return netip.Addr{}, fmt.Errorf("%s has no subnet yet", a.Network)
	}
	return offset(subnet.Masked().Addr(), uint32(a.Host)), nil //nolint:gosec // small
}
