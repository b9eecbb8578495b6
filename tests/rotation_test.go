package tests_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRotation changes the key of the upstream under a running launch. A command
// with a time to live is run again; a file is read again when the upstream refuses
// what it held, and the request that found out goes through.
func TestRotation(t *testing.T) {
	t.Parallel()
	dir := peer(t)
	byTTL, by401 := filepath.Join(dir, "ttl"), filepath.Join(dir, "file")
	put := func(path, value string) {
		must(t, os.WriteFile(path+".new", []byte(value+"\n"), 0o600))
		must(t, os.Rename(path+".new", path))
	}
	put(byTTL, canary)
	put(by401, canary)
	l := live(t, dir, `
    route("/ttl/", upstream = "https://api/private", auth = bearer(secret.command(["cat", "ttl"], ttl = 2))),
    route("/file/", upstream = "https://other/private", auth = bearer(secret.file("file"))),
    route("/change/api/", upstream = "https://api"),
    route("/change/other/", upstream = "https://other"),
`)
	const proxy = "http://cred-proxy:9099"
	l.want("GET "+proxy+"/ttl/whoami", "200")
	l.want("GET "+proxy+"/file/whoami", "200")

	second := canary + "-second"
	put(byTTL, second)
	l.want("POST "+proxy+"/change/api/key "+second, "changed")
	l.until("the command's new value is in force", time.Minute, func() bool {
		return strings.Contains(l.tell("GET "+proxy+"/ttl/whoami"), "200")
	})

	put(by401, second)
	l.want("POST "+proxy+"/change/other/key "+second, "changed")
	l.want("POST "+proxy+"/file/sink body", "200 4") // the first one after the change
	l.want("GET "+proxy+"/file/whoami", "200")

	// A refused value that is still the same: the agent gets its 401, and no loop
	// of fetches begins.
	l.want("POST "+proxy+"/change/other/key third", "changed")
	for range 20 {
		l.want("GET "+proxy+"/file/whoami", "401")
	}
	if out, err := exec.CommandContext(t.Context(), "grep", "-r", second, l.state()).CombinedOutput(); err == nil {
		t.Errorf("the key is in the state directory: %s", out)
	}
}
