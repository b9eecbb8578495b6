package pipelock

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"

	"github.com/bottle-run/bottle/sidecar"
)

// Validate reports what is wrong with c, or nil.
func (c *Config) Validate() error {
	if c.Listen == "" || c.DNS == "" {
		return fmt.Errorf("the gate needs listen and dns addresses")
	}
	if !slices.Contains(modes(), c.DLP) {
		return fmt.Errorf("dlp is %q, not block, warn or off", c.DLP)
	}
	for _, r := range slices.Concat(c.Allow, c.Deny, c.Upstreams) {
		if err := r.validate(); err != nil {
			return err
		}
	}
	for _, e := range c.DLPAllow {
		if err := e.validate(); err != nil {
			return err
		}
	}
	if err := canonicalPatterns(slices.Concat(c.Passthrough, c.Private)); err != nil {
		return err
	}
	if c.UpstreamProxy != "" {
		if u, err := url.Parse(c.UpstreamProxy); err != nil || u.Scheme != "http" || u.Host == "" {
			return fmt.Errorf("upstream_proxy %q is not an http URL", c.UpstreamProxy)
		}
	}
	if _, err := c.sidecars(); err != nil {
		return err
	}
	return c.validateAliases()
}

func canonicalPatterns(hosts []string) error {
	for _, h := range hosts {
		if canonical, err := sidecar.CanonicalPattern(h); err != nil || canonical != h {
			return fmt.Errorf("%q is not a canonical host pattern", h)
		}
	}
	return nil
}

// modes are the values of DLP.
func modes() []string { return []string{"block", "warn", "off"} }

func (e *Excuse) validate() error {
	if e.Rule == "" {
		return fmt.Errorf("%s: an excuse names no rule", e.Pos)
	}
	if canonical, err := sidecar.CanonicalPattern(e.Host); e.Host != "" && (err != nil || canonical != e.Host) {
		return fmt.Errorf("%s: %q is not a canonical host pattern", e.Pos, e.Host)
	}
	if canonical, err := sidecar.CanonicalGlob(e.Path); e.Path != "" && (err != nil || canonical != e.Path) {
		return fmt.Errorf("%s: %q is not a canonical path", e.Pos, e.Path)
	}
	return nil
}

func (r *Rule) validate() error {
	if canonical, err := sidecar.CanonicalPattern(r.Host); err != nil || canonical != r.Host {
		return fmt.Errorf("%s: %q is not a canonical host pattern", r.Pos, r.Host)
	}
	if r.DLP != "" && !slices.Contains(modes(), r.DLP) {
		return fmt.Errorf("%s: dlp is %q, not block, warn or off", r.Pos, r.DLP)
	}
	if err := r.validateBounds(); err != nil {
		return err
	}
	for _, p := range r.Ports {
		if p < 1 || p > 65535 {
			return fmt.Errorf("%s: %d is not a port", r.Pos, p)
		}
	}
	for _, p := range r.Paths {
		if canonical, err := sidecar.CanonicalGlob(p); err != nil || canonical != p {
			return fmt.Errorf("%s: %q is not a canonical path", r.Pos, p)
		}
	}
	return nil
}

func (r *Rule) validateBounds() error {
	if r.TCP && (len(r.Ports) == 0 || !r.whole() || r.MaxBody > 0) {
		return fmt.Errorf("%s: a rule for tunnels has ports, and nothing else that is of HTTP", r.Pos)
	}
	if r.Bytes < 0 || r.For < 0 || r.Uses < 0 || r.Rate != nil && (r.Rate.Requests < 1 || r.Rate.Seconds < 1 || r.Rate.Requests > 1e9 || r.Rate.Seconds > 1e9) {
		return fmt.Errorf("%s: a bound is not a positive number", r.Pos)
	}
	return nil
}

// sidecars returns the launch's own helpers by name; port 0 is every port.
func (c *Config) sidecars() (map[string]int, error) {
	out := map[string]int{}
	for _, s := range c.Sidecars {
		host, port, err := net.SplitHostPort(s)
		if err != nil {
			host, port = s, "0"
		}
		n, err := strconv.Atoi(port)
		canonical, hostErr := sidecar.CanonicalHost(host)
		if err != nil || n < 0 || n > 65535 || hostErr != nil || canonical != host {
			return nil, fmt.Errorf("sidecar %q is not a name, or a name and a port", s)
		}
		out[host] = n
	}
	return out, nil
}
