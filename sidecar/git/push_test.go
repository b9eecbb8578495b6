package git_test

import (
	"compress/gzip"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/sidecar/git"
)

var agentRefs = git.Rules{Refs: []string{"refs/heads/agent/**"}, Pos: "launch.star:3:5"}

// What the rules name goes through, and the server takes it.
func TestAllowed(t *testing.T) {
	w := newWorld(t, agentRefs)
	one := w.commit("src/a.go", "package a\n")
	w.pushed("origin", "HEAD:refs/heads/agent/one")
	w.commit("src/b.go", "package b\n")
	w.pushed("origin", "HEAD:refs/heads/agent/one") // forward
	w.pushed("origin", one+":refs/heads/agent/two") // nothing new but the name
	w.git("fetch", "-q", "origin")
	if got, want := w.git("rev-parse", "origin/agent/one"), w.git("rev-parse", "HEAD"); got != want {
		t.Errorf("agent/one is %s, want %s", got, want)
	}
}

func TestRefRules(t *testing.T) {
	w := newWorld(t, agentRefs)
	first := w.git("rev-parse", "HEAD")
	w.commit("a", "1\n")
	w.pushed("origin", "HEAD:refs/heads/agent/one")
	w.refused([]string{
		`HEAD -> main (bottle: refs/heads/main is not in push = ["refs/heads/agent/**"])`,
		`remote: bottle: push to another name, or add ["refs/heads/main"] to push = […] of the route at launch.star:3:5`,
	}, "origin", "HEAD:main")
	w.refused([]string{"(bottle: refs are not deleted over this route)"}, "origin", ":refs/heads/agent/one")
	w.refused([]string{"(bottle: refs/tags/v1 is not in push"}, "origin", "HEAD:refs/tags/v1")
	// One refused ref refuses the others, also without --atomic.
	w.refused([]string{"agent/three (bottle: not pushed, because refs/heads/main is refused)"}, "origin", "HEAD:main", "HEAD:refs/heads/agent/three")
	w.git("checkout", "-q", first)
	w.commit("b", "2\n")
	w.refused([]string{"would not move forward"}, "-f", "origin", "HEAD:refs/heads/agent/one")
	w.refused([]string{"would not move forward"}, "-f", "origin", first+":refs/heads/agent/one")
	w.pushed("origin", "HEAD:refs/heads/agent/four")
	// What joins the two moves both forward.
	w.git("merge", "-q", "-m", "merge", "origin/agent/one")
	w.pushed("origin", "HEAD:refs/heads/agent/one", "HEAD:refs/heads/agent/four")
}

// What moves forward by commits that the server has already, and that are not
// sent again, is asked for.
func TestForwardByKnownCommits(t *testing.T) {
	for _, filter := range []string{"true", "false"} {
		w := newWorld(t, agentRefs)
		w.run(w.server, "config", "uploadpack.allowFilter", filter)
		first := w.git("rev-parse", "HEAD")
		w.pushed("origin", first+":refs/heads/agent/behind")
		w.commit("a", "1\n")
		second := w.commit("b", "2\n")
		w.pushed("origin", "HEAD:refs/heads/agent/ahead")
		w.pushed("origin", second+":refs/heads/agent/behind")
		w.refused([]string{"would not move forward"}, "-f", "origin", first+":refs/heads/agent/behind")
	}
}

// Tags are made where the rules name them, and not moved.
func TestTags(t *testing.T) {
	w := newWorld(t, git.Rules{Refs: []string{"refs/tags/agent-*"}})
	w.git("tag", "agent-1")
	w.git("tag", "-a", "-m", "annotated", "agent-2")
	w.commit("a", "1\n")
	w.git("tag", "-a", "-m", "new", "agent-3")
	w.pushed("origin", "agent-1", "agent-2", "agent-3")
	w.git("tag", "-f", "agent-1")
	w.refused([]string{"tags are not moved"}, "-f", "origin", "agent-1")
	w.git("tag", "tree-1", "HEAD^{tree}")
	w.refused([]string{"would be no commit"}, "origin", "HEAD:refs/tags/agent-4", w.git("commit-tree", "-m", "x", "HEAD^{tree}")+":refs/tags/agent-6", w.blob("loose")+":refs/tags/agent-5")
}

// A branch is a commit and no tag of one.
func TestTagAtBranch(t *testing.T) {
	w := newWorld(t, agentRefs)
	w.git("tag", "-a", "-m", "annotated", "annotated")
	w.refused([]string{"would be a tag and not a commit"}, "origin", "annotated:refs/heads/agent/one")
}

// Push options do more than push, on GitLab and Gitea.
func TestPushOptions(t *testing.T) {
	w := newWorld(t, agentRefs)
	w.run(w.server, "config", "receive.advertisePushOptions", "true")
	out, err := w.try(w.client, "push", "-o", "merge_request.create", "origin", "HEAD:refs/heads/agent/one")
	if err == nil || w.arrived > 1 { // the first commit's
		t.Errorf("%v, %d requests arrived: %s", err, w.arrived, out)
	}
}

// New commits are searched, in every commit; what the server has is not.
func TestSecrets(t *testing.T) {
	rules := agentRefs
	rules.Scanner = newScanner(t)
	w := newWorld(t, rules)
	w.write(w.client, "old.env", "TOKEN = '"+secret()+"'\n")
	w.git("add", "-A")
	w.git("commit", "-qm", "old secret")
	w.git("push", "-q", w.direct, "HEAD:main")
	w.git("fetch", "-q")
	w.commit("a", "1\n")
	w.pushed("origin", "HEAD:refs/heads/agent/one")

	w.commit("b", "2\n")
	w.commit("c", "3\n")
	third := w.commit("deep/in/d.env", "TOKEN = '"+secret()+"' # again\n")
	w.git("rm", "-q", "deep/in/d.env")
	w.git("commit", "-qm", "gone again")
	w.refused([]string{"commit " + third[:12] + ": deep/in/d.env holds what looks like a secret (gitleaks rule ", "remote: bottle: take the secret out of every commit"},
		"origin", "HEAD:refs/heads/agent/one")
	w.git("reset", "-q", "--hard", "origin/agent/one")
	w.write(w.client, "e", "1\n")
	w.git("add", "-A")
	w.git("commit", "-qm", "the token is "+secret())
	w.refused([]string{"holds what looks like a secret"}, "origin", "HEAD:refs/heads/agent/one")
	w.git("reset", "-q", "--hard", "origin/agent/one")
	w.write(w.client, secret(), "1\n")
	w.git("add", "-A")
	w.git("commit", "-qm", "named")
	w.refused([]string{"the names of files holds"}, "origin", "HEAD:refs/heads/agent/one")
}

// A file that has a secret on the server already may be changed, not get another.
func TestOldSecretInChangedFile(t *testing.T) {
	rules := agentRefs
	rules.Scanner = newScanner(t)
	w := newWorld(t, rules)
	fixture := "a = '" + secret() + "'\n"
	w.commit("test/fixture.py", fixture)
	w.git("push", "-q", w.direct, "HEAD:main")
	w.commit("test/fixture.py", fixture+"# changed\n")
	w.commit("test/fixture.py", fixture+"# changed again\n")
	w.pushed("origin", "HEAD:refs/heads/agent/one")
	other := strings.ReplaceAll(secret(), "9", "8")
	w.commit("test/fixture.py", fixture+"b = '"+other+"'\n")
	w.refused([]string{"test/fixture.py holds what looks like a secret (gitleaks rule github-pat)"}, "origin", "HEAD:refs/heads/agent/one")
	w.git("reset", "-q", "--hard", "HEAD~1")
	w.commit("elsewhere.py", fixture)
	w.refused([]string{"elsewhere.py holds what looks like a secret"}, "origin", "HEAD:refs/heads/agent/one")
}

// What is packed or encoded in a file is searched too.
func TestSecretInEncoding(t *testing.T) {
	rules := agentRefs
	rules.Scanner = newScanner(t)
	w := newWorld(t, rules)
	var packed strings.Builder
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte("a = '" + secret() + "'\n"))
	_ = z.Close()
	w.commit("a.gz", packed.String())
	w.refused([]string{"a.gz holds what looks like a secret"}, "origin", "HEAD:refs/heads/agent/one")
	w.git("reset", "-q", "--hard", "HEAD~1")
	w.commit("a.txt", base64.StdEncoding.EncodeToString([]byte("a = '"+secret()+"'\n")))
	w.refused([]string{"a.txt holds what looks like a secret"}, "origin", "HEAD:refs/heads/agent/one")
}

// A secret in what a delta makes is found.
func TestSecretInDelta(t *testing.T) {
	rules := agentRefs
	rules.Scanner = newScanner(t)
	w := newWorld(t, rules)
	lines := ""
	for i := range 3000 {
		lines += "line " + string(rune('a'+i%26)) + "\n"
	}
	w.commit("big.txt", lines)
	w.commit("big.txt", lines+"'"+secret()+"'\n"+lines)
	w.commit("big.txt", lines+lines+"end\n")
	w.git("repack", "-adfq", "--depth=50")
	w.refused([]string{"big.txt holds what looks like a secret"}, "origin", "HEAD:refs/heads/agent/one")
}
