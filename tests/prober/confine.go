package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// rawSocket opens what forges packets.
func rawSocket(string) (string, error) {
	return socket(syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_ICMP)
}

// packetSocket opens what reads and forges frames: ARP, other people's traffic.
func packetSocket(string) (string, error) {
	return socket(syscall.AF_PACKET, syscall.SOCK_RAW, 0x0300) // ETH_P_ALL in network order
}

func socket(domain, typ, proto int) (string, error) {
	fd, err := syscall.Socket(domain, typ, proto)
	if err != nil {
		return "", err
	}
	return "opened", syscall.Close(fd)
}

func writable(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return "", err
	}
	return "it can be written", f.Close()
}

// status returns the capabilities of this process, and an error when it has none.
func status(names ...string) (string, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "", err
	}
	var found []string
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		for _, n := range names {
			if n == name && strings.Trim(value, " \t\n0") != "" {
				found = append(found, strings.Join(strings.Fields(line), " "))
			}
		}
	}
	if len(found) == 0 {
		return "", errors.New("none")
	}
	return strings.Join(found, ", "), nil
}

// newPrivileges reports whether a setuid program could give some.
func newPrivileges() (string, error) {
	if set, err := status("NoNewPrivs"); err == nil {
		return "", errors.New(set)
	}
	return "a setuid program would give some", nil
}

func mountSomething() (string, error) {
	_ = os.MkdirAll("/tmp/mount", 0o700)
	return "mounted", syscall.Mount("none", "/tmp/mount", "tmpfs", 0, "")
}

// unshareUser makes a user namespace, in which a process has every capability.
func unshareUser() (string, error) {
	p, err := os.StartProcess("/prober", []string{"/prober", "exit", "0"}, &os.ProcAttr{
		Sys: &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET},
	})
	if err != nil {
		return "", err
	}
	state, err := p.Wait()
	return fmt.Sprint("made one: ", state), err
}

// makeDevice makes the device of the host's first disk.
func makeDevice() (string, error) {
	_ = os.MkdirAll("/tmp", 0o700)
	_ = os.Remove("/tmp/disk")
	return "made", syscall.Mknod("/tmp/disk", syscall.S_IFBLK|0o600, 8<<8)
}
