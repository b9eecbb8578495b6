package git_test

import (
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/sidecar/git"
)

var guarded = git.Rules{Refs: []string{"refs/heads/agent/**"}, Protect: []string{".github/workflows/**", ".gitmodules", "**/Makefile"}, Pos: "launch.star:3:5"}

// What changes no protected file goes through, whatever is next to it.
func TestProtectAllows(t *testing.T) {
	for _, filter := range []string{"true", "false"} {
		w := newWorld(t, guarded)
		w.run(w.server, "config", "uploadpack.allowFilter", filter)
		w.commit("src/a.go", "package a\n")
		w.commit(".github/CODEOWNERS", "* @agent\n")
		w.pushed("origin", "HEAD:refs/heads/agent/one")
		// main goes on, and changes protected files itself: the agent may merge that.
		other := w.TempDir()
		w.run(other, "clone", "-q", w.direct, "other")
		other += "/other"
		w.write(other, ".github/workflows/ci.yml", "on: [push, pull_request]\n")
		w.write(other, "Makefile", "all:\n")
		w.run(other, "add", "-A")
		w.run(other, "commit", "-qm", "main goes on")
		w.run(other, "push", "-q", "origin", "main")
		w.commit("src/b.go", "package b\n")
		w.pushed("origin", "HEAD:refs/heads/agent/one")
		w.git("fetch", "-q")
		w.git("merge", "-q", "-m", "merge", "origin/main")
		w.pushed("origin", "HEAD:refs/heads/agent/one")
		w.commit("src/c.go", "package c\n")
		w.pushed("origin", "HEAD:refs/heads/agent/one", "HEAD:refs/heads/agent/two")
		// From a clone without history, too.
		w.run(w.TempDir(), "clone", "-q", "--depth=1", w.url, w.client+"2")
		w.client += "2"
		w.commit("src/d.go", "package d\n")
		w.pushed("origin", "HEAD:refs/heads/agent/three")
	}
}

// An empty repository has no protected files, and gets none.
func TestProtectEmptyRepository(t *testing.T) {
	w := newWorld(t, guarded)
	w.run(w.server, "update-ref", "-d", "refs/heads/main")
	w.git("checkout", "-q", "--orphan", "fresh")
	w.git("rm", "-rfq", ".")
	w.commit("README", "fresh\n")
	w.pushed("origin", "HEAD:refs/heads/agent/one")
	w.commit(".github/workflows/x.yml", "on: push\n")
	w.refused([]string{".github/workflows/x.yml, which is protected"}, "origin", "HEAD:refs/heads/agent/two")
}

// Each way to change a protected file that somebody might not think of.
func TestProtectRefuses(t *testing.T) {
	w := newWorld(t, guarded)
	base := w.git("rev-parse", "HEAD")
	w.write(w.client, "src/other", "1\n")
	evil := w.blob("on: push # evil\n")
	// entry is a commit on base with root entries in place of base's, or besides.
	commit := func(tree string, parents ...string) string {
		args := []string{"commit-tree", "-m", "x", tree}
		for _, p := range parents {
			args = append(args, "-p", p)
		}
		return w.git(args...)
	}
	root := func(lines ...string) string {
		replaced := map[string]bool{}
		for _, l := range lines {
			_, name, _ := strings.Cut(l, "\t")
			replaced[name] = true
		}
		for l := range strings.SplitSeq(w.git("ls-tree", base), "\n") {
			if _, name, _ := strings.Cut(l, "\t"); !replaced[name] {
				lines = append(lines, l)
			}
		}
		var kept []string
		for _, l := range lines {
			if !strings.HasPrefix(l, "\t") { // a name alone leaves it out
				kept = append(kept, l)
			}
		}
		return w.tree(kept...)
	}
	flows := w.tree("100644 blob " + evil + "\tci.yml")
	github := w.tree("040000 tree " + flows + "\tworkflows")
	plain := commit(root("100644 blob "+w.blob("x")+"\tx"), base)
	changed := commit(root("040000 tree "+github+"\t.github"), base)
	const protected = ", which is protected"
	for name, c := range map[string]struct {
		id   string
		want string
	}{
		"changed":              {changed, protected},
		"changed and reverted": {commit(w.git("rev-parse", base+"^{tree}"), changed), "changes .github/workflows/ci.yml" + protected},
		"removed":              {commit(root("\t.github"), base), protected},
		"added":                {commit(root("100644 blob "+evil+"\t.gitmodules"), base), ".gitmodules" + protected},
		"deep":                 {commit(root("040000 tree "+w.tree("040000 tree "+w.tree("100644 blob "+evil+"\tMakefile")+"\tb")+"\ta"), base), "a/b/Makefile" + protected},
		"case":                 {commit(root("040000 tree "+github+"\t.GitHub"), base), protected},
		"case below":           {commit(root("040000 tree "+w.tree("040000 tree "+flows+"\tWORKFLOWS")+"\t.github"), base), protected},
		"HFS+":                 {commit(root("040000 tree "+github+"\t.git\u200chub"), base), protected},
		"long s":               {commit(root("040000 tree "+w.tree("040000 tree "+flows+"\tworkflow\u017f")+"\t.github"), base), protected},
		"NTFS dots":            {commit(root("040000 tree "+github+"\t.github. ."), base), protected},
		"NTFS short name":      {commit(root("040000 tree "+github+"\tGITHUB~1"), base), protected},
		"NTFS hashed name":     {commit(root("100644 blob "+evil+"\tGI7EBA~1"), base), protected},
		"NTFS stream":          {commit(root("100644 blob "+evil+"\t.gitmodules::$DATA"), base), protected},
		"backslash":            {commit(root("100644 blob "+evil+"\t.github\\workflows\\x.yml"), base), protected},
		"link at it":           {commit(root("120000 blob "+w.blob("README")+"\t.gitmodules"), base), protected},
		"link above it":        {commit(root("120000 blob "+w.blob("src")+"\t.github"), base), ".github" + protected},
		"submodule above it":   {commit(root("160000 commit "+base+"\t.github"), base), ".github" + protected},
		"submodule for any":    {commit(root("160000 commit "+base+"\tsub"), base), "sub" + protected},
		"file above it":        {commit(root("100644 blob "+evil+"\t.github"), base), protected},
		"directory in place":   {commit(root("040000 tree "+flows+"\tMakefile"), base), "Makefile" + protected},
		"only the mode":        {commit(root("040000 tree "+w.tree("100644 blob "+w.git("rev-parse", base+":.github/CODEOWNERS")+"\tCODEOWNERS", "040000 tree "+w.tree("100755 blob "+w.git("rev-parse", base+":.github/workflows/ci.yml")+"\tci.yml")+"\tworkflows")+"\t.github"), base), protected},
		"renamed":              {commit(root("\t.github", "040000 tree "+w.git("rev-parse", base+":.github")+"\tgithub"), base), protected},
		"merge":                {commit(root("040000 tree "+github+"\t.github"), base, plain), protected},
		"orphan":               {commit(root("040000 tree " + github + "\t.github")), protected},
		"orphan without":       {commit(w.tree("100644 blob " + w.blob("x") + "\tx")), protected},
		"orphan merged":        {commit(w.git("rev-parse", base+"^{tree}"), base, commit(root("040000 tree "+github+"\t.github"))), protected},
		"empty tree":           {commit(w.plumb("", "mktree"), base), protected},
		"two names for a tree": {commit(root("040000 tree "+w.git("rev-parse", base+":.github")+"\tsrc", "040000 tree "+w.git("rev-parse", base+":src")+"\t.github"), base), protected},
		".git":                 {commit(root("040000 tree "+flows+"\t.git"), base), "no tree may have"},
		".GIT of HFS+":         {commit(root("040000 tree "+flows+"\t.g\u200dIt"), base), "no tree may have"},
		"git~1":                {commit(root("040000 tree "+flows+"\tGIT~1"), base), "no tree may have"},
	} {
		t.Run(name, func(t *testing.T) {
			w.T = t
			w.refused([]string{c.want}, "origin", c.id+":refs/heads/agent/evil")
		})
	}
	w.T = t
	w.pushed("origin", plain+":refs/heads/agent/good")
}

// A commit that the server has, from a pull request of anybody, is no reason to
// take its protected files for good.
func TestProtectKnownCommit(t *testing.T) {
	w := newWorld(t, guarded)
	base := w.git("rev-parse", "HEAD")
	w.commit(".github/workflows/ci.yml", "on: push # evil\n")
	w.git("push", "-q", w.direct, "HEAD:refs/pull/1/head")
	w.refused([]string{".github/workflows/ci.yml, which is protected, would not be as in the default branch"}, "origin", "HEAD:refs/heads/agent/one")
	w.commit("a", "1\n")
	w.refused([]string{".github/workflows/ci.yml, which is protected"}, "origin", "HEAD:refs/heads/agent/one")
	tree := w.git("rev-parse", "HEAD^{tree}")
	w.refused([]string{".github/workflows/ci.yml, which is protected"}, "origin", w.git("commit-tree", "-m", "x", "-p", base, tree)+":refs/heads/agent/one")
}

// A ref that is no branch of the agent's own work, but main moved back, holds
// other protected files than main does.
func TestProtectOldCommit(t *testing.T) {
	w := newWorld(t, guarded)
	old := w.git("rev-parse", "HEAD")
	w.commit(".github/workflows/ci.yml", "on: [] # mended\n")
	w.git("push", "-q", w.direct, "HEAD:main")
	w.git("fetch", "-q")
	w.git("checkout", "-q", old)
	w.commit("a", "1\n")
	w.refused([]string{"would not be as in the default branch", "rebase on the latest"}, "origin", "HEAD:refs/heads/agent/one")
	w.git("rebase", "-q", "origin/main")
	w.pushed("origin", "HEAD:refs/heads/agent/one")
}

// What a ref was is what the client says: that a commit was the branch is no
// reason to take its protected files for good.
func TestProtectLyingClient(t *testing.T) {
	w := newWorld(t, guarded)
	w.commit(".github/workflows/ci.yml", "on: push # evil\n")
	w.git("push", "-q", w.direct, "HEAD:refs/pull/1/head")
	evil := w.git("rev-parse", "HEAD")
	id := w.commit("a", "1\n")
	cmd := exec.CommandContext(t.Context(), "git", "pack-objects", "--revs", "--stdout", "-q")
	cmd.Dir, cmd.Stdin = w.client, strings.NewReader(id+"\n^"+evil+"\n")
	packed, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	body := command(evil, id, "refs/heads/agent/one", "report-status") + "0000" + string(packed)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/git-receive-pack", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || !strings.Contains(string(answer), "ng refs/heads/agent/one bottle: .github/workflows/ci.yml, which is protected") {
		t.Errorf("%v: %s", err, answer)
	}
}
