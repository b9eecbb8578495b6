package git_test

import (
	"bytes"
	"crypto/sha1"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/sidecar/git"
)

// What git would take in another way, or not at all, is refused; so is what would
// cost too much.
func TestHostilePacks(t *testing.T) {
	a := piece{kind: 3, data: []byte("hello world")}
	id := sha1.Sum([]byte("blob 11\x00hello world"))
	good := pack(1, a)
	bomb := bytes.Repeat([]byte{0}, git.MaxWhole+1)
	chain := []piece{a}
	for i := range git.MaxDepth + 1 {
		chain = append(chain, piece{kind: 6, back: 1, data: delta(11+i, 12+i, append([]byte{0x91, 0, byte(11 + i)}, 1, 'x')...)})
		if i >= 200 { // one byte of a length
			n := 11 + i
			chain[len(chain)-1].data = delta(n, n+1, 0xb1, 0, byte(n), byte(n>>8), 1, 'x')
		}
	}
	for name, c := range map[string]struct {
		pack []byte
		want string // "" if it is good
	}{
		"good":                   {good, ""},
		"good delta":             {pack(2, a, piece{kind: 6, back: 1, data: delta(11, 6, 0x91, 0, 5, 1, 'x')}), ""},
		"good delta by name":     {pack(2, a, piece{kind: 7, base: id[:], data: delta(11, 6, 0x91, 0, 5, 1, 'x')}), ""},
		"empty":                  {nil, "ends in the middle"},
		"cut off":                {good[:len(good)-1], "ends in the middle"},
		"cut off in an object":   {good[:20], "ends in the middle"},
		"trailing":               {append(slices.Clone(good), 0), "before it had all"},
		"checksum":               {append(slices.Clone(good[:len(good)-1]), good[len(good)-1]^1), "checksum is wrong"},
		"version 3":              {append([]byte("PACK\x00\x00\x00\x03"), good[8:]...), "no pack of version 2"},
		"more than it says":      {pack(1, a, piece{kind: 3, data: []byte("second")}), "checksum is wrong"},
		"fewer than it says":     {pack(2, a), "object of type 5"},
		"4 billion":              {pack(1<<32-1, a), "push fewer commits"},
		"type 0":                 {pack(1, piece{kind: 0, data: []byte("x")}), "object of type 0"},
		"type 5":                 {pack(1, piece{kind: 5, data: []byte("x")}), "object of type 5"},
		"longer than it says":    {pack(1, piece{kind: 3, data: []byte("hello"), size: 4}), "longer than it says"},
		"shorter than it says":   {pack(1, piece{kind: 3, data: []byte("hello"), size: 6}), "unpacking an object"},
		"commit of a terabyte":   {pack(1, piece{kind: 1, size: 1 << 40}), "may be 16777216 bytes at most"},
		"bomb in a tree":         {pack(1, piece{kind: 2, data: bomb}), "may be 16777216 bytes at most"},
		"bomb by delta":          {pack(2, a, piece{kind: 6, back: 1, data: delta(11, 1<<40, 0x91, 0, 5)}), "may be 16777216 bytes at most"},
		"no zlib":                {pack(1, piece{kind: 3, data: []byte("hello"), raw: []byte("hello, this is no stream")}), "unpacking an object"},
		"zlib checksum":          {pack(1, piece{kind: 3, data: []byte("hello"), raw: append(deflate([]byte("hello"))[:10], 1, 2, 3, 4)}), "unpacking an object"},
		"delta of itself":        {pack(1, piece{kind: 6, back: 0, data: delta(1, 1, 1, 'x')}), "of itself"},
		"delta of the header":    {pack(1, piece{kind: 6, back: 9, data: delta(1, 1, 1, 'x')}), "not in the pack before it"},
		"delta of what comes":    {pack(2, piece{kind: 7, base: id[:], data: delta(11, 1, 1, 'x')}, a), "git push --no-thin"},
		"thin":                   {pack(1, piece{kind: 7, base: make([]byte, 20), data: delta(1, 1, 1, 'x')}), "git push --no-thin"},
		"delta of other length":  {pack(2, a, piece{kind: 6, back: 1, data: delta(12, 1, 1, 'x')}), "another length"},
		"delta beyond its base":  {pack(2, a, piece{kind: 6, back: 1, data: delta(11, 5, 0x91, 8, 5)}), "beyond its base"},
		"delta makes more":       {pack(2, a, piece{kind: 6, back: 1, data: delta(11, 1, 0x91, 0, 5)}), "makes more"},
		"delta makes less":       {pack(2, a, piece{kind: 6, back: 1, data: delta(11, 9, 0x91, 0, 5)}), "makes less"},
		"delta with reserved":    {pack(2, a, piece{kind: 6, back: 1, data: delta(11, 5, 0)}), "malformed"},
		"delta cut off":          {pack(2, a, piece{kind: 6, back: 1, data: delta(11, 5, 5, 'x')}), "malformed"},
		"delta without a length": {pack(2, a, piece{kind: 6, back: 1, data: bytes.Repeat([]byte{0x80}, 20)}), "malformed"},
		"twice":                  {pack(2, a, a), "twice"},
		"twice by delta":         {pack(2, a, piece{kind: 6, back: 1, data: delta(11, 11, 0x90, 11)}), "twice"},
		"deep":                   {pack(len(chain), chain...), "chain of more than"},
		"commit without tree":    {pack(1, piece{kind: 1, data: []byte("author x\n")}), "begin with its tree"},
		"commit with two trees":  {pack(1, piece{kind: 1, data: []byte("tree " + strings.Repeat("1", 40) + "\ntree " + strings.Repeat("2", 40) + "\nauthor x\n")}), "another form"},
		"commit, parent late":    {pack(1, piece{kind: 1, data: []byte("tree " + strings.Repeat("1", 40) + "\nparent " + strings.Repeat("A", 40) + "\nauthor x\n")}), "no object name"},
		"tree not sorted":        {pack(1, piece{kind: 2, data: []byte("100644 b\x00" + string(id[:]) + "100644 a\x00" + string(id[:]))}), "not sorted"},
		"tree with a name twice": {pack(1, piece{kind: 2, data: []byte("100644 a\x00" + string(id[:]) + "100644 a\x00" + string(id[:]))}), "twice"},
		"file and directory":     {pack(1, piece{kind: 2, data: []byte("100644 a\x00" + string(id[:]) + "100644 a.b\x00" + string(id[:]) + "40000 a\x00" + string(id[:]))}), "twice"},
		"tree with ..":           {pack(1, piece{kind: 2, data: []byte("40000 ..\x00" + string(id[:]))}), "no tree may have"},
		"tree with a slash":      {pack(1, piece{kind: 2, data: []byte("100644 a/b\x00" + string(id[:]))}), "no tree may have"},
		"tree with a mode":       {pack(1, piece{kind: 2, data: []byte("040000 a\x00" + string(id[:]))}), "mode"},
		"tree cut off":           {pack(1, piece{kind: 2, data: []byte("100644 a\x00abc")}), "cut off"},
	} {
		_, err := git.ReadPack(c.pack)
		if got := ""; err == nil && c.want != "" || err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want)) {
			if err != nil {
				got = err.Error()
			}
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Of files that came long before, nothing is kept: what refers to them is refused.
func TestBulkEvicted(t *testing.T) {
	bulk(t)
	random := rand.NewChaCha8([32]byte{1})
	pieces := []piece{{kind: 3, data: []byte("hello world")}}
	for range 3 {
		noise := make([]byte, git.MaxBases/3+1)
		_, _ = random.Read(noise)
		pieces = append(pieces, piece{kind: 3, data: noise})
	}
	near := piece{kind: 6, back: 1, data: delta(git.MaxBases/3+1, 1, 0x90, 1)}
	if _, err := git.ReadPack(pack(5, append(slices.Clone(pieces), near)...)); err != nil {
		t.Error(err)
	}
	far := piece{kind: 6, back: 4, data: delta(11, 1, 0x90, 1)}
	if _, err := git.ReadPack(pack(5, append(slices.Clone(pieces), far)...)); err == nil || !strings.Contains(err.Error(), "push fewer commits at once") {
		t.Errorf("%v", err)
	}
}

// The file of shattered.io, one of two with one SHA-1, is seen for what it is.
func TestCollision(t *testing.T) {
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/pjbgf/sha1cd").Output()
	if err != nil {
		t.Skipf("not run: the module with the file cannot be found: %v", err)
	}
	file, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "test", "testdata", "files", "shattered-1.pdf"))
	if err != nil {
		t.Skipf("not run: %v", err)
	}
	if err := git.Name(file); err == nil || !strings.Contains(err.Error(), "attack on SHA-1") {
		t.Errorf("%v", err)
	}
}

// gitNames returns what git makes of a pack: the names of its objects.
func gitNames(t *testing.T, b []byte) ([]string, error) {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "git", "init", "-q", "--bare", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), "git", "index-pack", "--stdin")
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(b)
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	_, hash, _ := strings.Cut(strings.TrimSpace(string(out)), "\t")
	list := exec.CommandContext(t.Context(), "git", "verify-pack", "-v", filepath.Join(dir, "objects", "pack", "pack-"+hash+".idx"))
	text, err := list.Output()
	if err != nil {
		return nil, err
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) >= 5 && len(f[0]) == 40 {
			names = append(names, f[0])
		}
	}
	return names, nil
}

// Whatever is read here as a pack, git reads as the same objects.
func FuzzPack(f *testing.F) {
	f.Add([]byte("\x03\x05hello\x03\x06world!\x61\x09\x05\x03\x91\x00\x03"))
	f.Add([]byte("\x03\x0bhello world\x61\x07\x0b\x06\x91\x00\x05\x01x"))
	f.Add([]byte("\x02\x00\x01\x04tree\x03\x01a\x61\x05\x01\x03\x90\x01\x02yy"))
	f.Fuzz(func(t *testing.T, script []byte) {
		// A script is a list of: type and, for deltas, how far back; length; data.
		var pieces []piece
		for len(script) >= 2 && len(pieces) < 64 {
			p := piece{kind: script[0] & 7, back: int(script[0] >> 4)}
			if script[0]>>4 > 0 {
				p.kind = 6
			}
			n := min(int(script[1]), len(script)-2)
			p.data = script[2 : 2+n]
			script = script[2+n:]
			if p.kind == 7 {
				p.base = make([]byte, 20)
			}
			pieces = append(pieces, p)
		}
		b := pack(len(pieces), pieces...)
		got, err := git.ReadPack(b)
		if err != nil {
			return
		}
		want, err := gitNames(t, b)
		if err != nil {
			t.Fatalf("read here as %q, and git: %v", got, err)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("read as %q, and by git as %q", got, want)
		}
	})
}

// Any bytes are read without harm, also as they are.
func FuzzPackBytes(f *testing.F) {
	f.Add(pack(2, piece{kind: 3, data: []byte("hello world")}, piece{kind: 6, back: 1, data: delta(11, 6, 0x91, 0, 5, 1, 'x')}))
	f.Add([]byte("PACK\x00\x00\x00\x02\x00\x00\x00\x01"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = git.ReadPack(b)
		if len(b) > 12 {
			sum := sha1.Sum(b)
			_, _ = git.ReadPack(append(slices.Clone(b), sum[:]...))
		}
		_, _ = git.ParseTree(b)
		_, _ = git.ApplyDelta([]byte("hello world"), b)
	})
}
