package git_test

import (
	"os"
	"os/exec"
	"strings"
)

// refused pushes, which must be refused with all of words and leave the server as
// it was.
func (w *world) refused(words []string, args ...string) {
	w.Helper()
	before := w.refsOf()
	out, err := w.try(w.client, append([]string{"push"}, args...)...)
	if err == nil {
		w.Errorf("git push %s: went through\n%s", strings.Join(args, " "), out)
	}
	for _, word := range append([]string{"[remote rejected]", "bottle: "}, words...) {
		if !strings.Contains(out, word) {
			w.Errorf("git push %s: %q is not in\n%s", strings.Join(args, " "), word, out)
		}
	}
	if after := w.refsOf(); after != before {
		w.Errorf("git push %s: the server's refs were\n%s\nand are\n%s", strings.Join(args, " "), before, after)
	}
}

// plumb runs git in the client with something to read.
func (w *world) plumb(stdin string, args ...string) string {
	w.Helper()
	cmd := exec.CommandContext(w.Context(), "git", args...)
	cmd.Dir, cmd.Stdin = w.client, strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (w *world) blob(content string) string {
	w.Helper()
	return w.plumb(content, "hash-object", "-w", "--stdin")
}

// tree makes a tree of lines "mode type id\tname", below HEAD's own where they
// do not name the same.
func (w *world) tree(lines ...string) string {
	w.Helper()
	return w.plumb(strings.Join(lines, "\n")+"\n", "mktree", "--missing")
}
