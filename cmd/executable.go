package cmd

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
)

// sidecarExecutable returns the static Linux executable of bottle for an
// architecture: this process's own where it is one, else the file
// bottle-sidecar-linux-ARCH beside it.
func sidecarExecutable(arch string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	beside := filepath.Join(filepath.Dir(self), "bottle-sidecar-linux-"+arch)
	if _, err := os.Stat(beside); err == nil {
		return beside, nil
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != arch {
		return "", fmt.Errorf("the engine runs on linux/%s and this bottle on %s/%s: put %s beside it (GOOS=linux GOARCH=%s CGO_ENABLED=0 go build), or name an image with BOTTLE_SIDECAR_IMAGE",
			arch, runtime.GOOS, runtime.GOARCH, filepath.Base(beside), arch)
	}
	if self, err = filepath.EvalSymlinks(self); err != nil {
		return "", err
	}
	f, err := elf.Open(self)
	if err != nil {
		return "", err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return "", fmt.Errorf("%s is linked dynamically, so it cannot run in an empty image: build it with CGO_ENABLED=0", self)
		}
	}
	return self, nil
}

// thrifty suits the process to what a launcher does, which is to wait for the
// engine: a second processor would mostly spin between two answers, and a launch is
// up before the collector has anything worth its while. A fifth of the CPU time of a
// launch was measured to go there.
func thrifty() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}

// cacheDir is bottle's place among the user's caches, or nothing.
func cacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "bottle")
}
