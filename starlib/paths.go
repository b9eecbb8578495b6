package starlib

import (
	"path"
	"strings"
)

// hostPath returns a path of the host as the plan keeps it: as it is written,
// without what path.Clean drops.
func hostPath(c *call, param string) string {
	p := c.str(param, "")
	if p == "" || strings.ContainsRune(p, 0) {
		c.wrong(param, "%q is not a path", p)
		return ""
	}
	if strings.HasPrefix(p, "~") && p != "~" && !strings.HasPrefix(p, "~/") {
		c.wrong(param, "%q: only ~/ stands for a home, your own", p)
	}
	return path.Clean(p)
}

// hostDirs are what no container of a launch may see; the engine looks again once
// links are resolved.
var hostDirs = []string{"/", "/proc", "/sys", "/dev", "/etc", "/run", "/var", "/var/run", "/boot", "/var/lib/docker", "/home", "/root", "~"} //nolint:gochecknoglobals // a table

func refuseSource(c *call, source string) {
	for _, dir := range hostDirs {
		if source == dir {
			c.wrong("source", "%q is too much of the host for a container of a launch; mount the directory that the agent works in", source)
		}
	}
	for _, dir := range []string{"/proc/", "/sys/", "/dev/", "/run/", "/var/run/"} {
		if strings.HasPrefix(source, dir) {
			c.wrong("source", "%q is a part of the host's system", source)
		}
	}
	if strings.HasSuffix(source, ".sock") {
		c.wrong("source", "%q is a socket: who can talk to an engine of the host is out of the bottle", source)
	}
}

// filePath returns the path of a file in a container, absolute or in the home of its
// user.
func filePath(c *call, param string) string {
	p := c.str(param, "")
	rest, ok := strings.CutPrefix(p, "~/")
	if !ok {
		return targetPath(c, param)
	}
	clean := path.Clean("/" + rest)
	if clean == "/" || clean[1:] != rest || strings.ContainsRune(p, 0) {
		c.wrong(param, "%q is not a path below a home; write %q", p, "~"+strings.ReplaceAll(clean, "\x00", ""))
	}
	return p
}

// targetPath returns an absolute path in a container.
func targetPath(c *call, param string) string {
	p := c.str(param, "")
	if !path.IsAbs(p) || strings.ContainsRune(p, 0) {
		c.wrong(param, "%q is not an absolute path; write %q", p, path.Join("/", strings.ReplaceAll(p, "\x00", "")))
		return p
	}
	clean := path.Clean(p)
	for _, dir := range []string{"/", "/proc", "/sys", "/dev", "/run", "/run/bottle"} {
		if clean == dir {
			c.wrong(param, "%q belongs to the container itself; choose a directory of your own", p)
		}
	}
	for _, dir := range []string{"/proc/", "/sys/", "/run/bottle/"} {
		if strings.HasPrefix(clean, dir) {
			c.wrong(param, "%q is below %s, which belongs to the container itself", p, dir)
		}
	}
	return clean
}
