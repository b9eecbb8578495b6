package git_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/git"
)

var (
	zero = strings.Repeat("0", 40)
	one  = strings.Repeat("1", 40)
)

// What is no push of ours is refused before anything is asked or sent.
func TestOpeningRefused(t *testing.T) {
	for name, body := range map[string]string{
		"nothing":             "",
		"no packets":          "hello, world",
		"cut off":             command(zero, one, "refs/heads/x", "")[:20],
		"no flush":            command(zero, one, "refs/heads/x", ""),
		"delimiter":           command(zero, one, "refs/heads/x", "") + "0001",
		"length 3":            "0003",
		"not hexadecimal":     "+010" + strings.Repeat("x", 20),
		"upper case oid":      command(zero, strings.Repeat("A", 40), "refs/heads/x", "") + "0000",
		"sha256":              command(strings.Repeat("0", 64), strings.Repeat("1", 64), "refs/heads/x", "object-format=sha256") + "0000",
		"sha256 announced":    command(zero, one, "refs/heads/x", "object-format=sha256") + "0000",
		"push options":        command(zero, one, "refs/heads/x", "push-options") + "00000000",
		"signed":              "0014push-cert\x00 x\n...." + "0000",
		"capabilities late":   command(zero, one, "refs/heads/x", "") + command(zero, one, "refs/heads/y", "report-status") + "0000",
		"no capabilities":     strings.ReplaceAll(command(zero, one, "refs/heads/x", "y"), "\x00y", "yz") + "0000",
		"twice":               command(zero, one, "refs/heads/x", "") + plain(zero, one, "refs/heads/x") + "0000",
		"HEAD":                command(zero, one, "HEAD", "") + "0000",
		"dots":                command(zero, one, "refs/heads/agent/../main", "") + "0000",
		"lock":                command(zero, one, "refs/heads/x.lock", "") + "0000",
		"space":               command(zero, one, "refs/heads/x y", "") + "0000",
		"line feed":           command(zero, one, "refs/heads/x\nrefs/heads/y", "") + "0000",
		"slashes":             command(zero, one, "refs/heads//x", "") + "0000",
		"shallow of nothing":  "0010shallow 1234" + command(zero, one, "refs/heads/x", "") + "0000",
		"shallow in between":  command(zero, one, "refs/heads/x", "") + "0035shallow " + one + "0000",
		"upload-pack request": "0032want " + one + "\n00000009done\n",
	} {
		if refs, err := git.ReadOpening([]byte(body)); err == nil {
			t.Errorf("%s: read as %q", name, refs)
		}
	}
	good := "0034shallow " + one + command(zero, one, "refs/heads/x", "report-status side-band-64k") + plain(one, zero, "refs/heads/y") + "0000"
	if refs, err := git.ReadOpening([]byte(good)); err != nil || !slices.Equal(refs, []string{"refs/heads/x", "refs/heads/y"}) {
		t.Errorf("%q, %v", refs, err)
	}
}

// plain is a command after the first.
func plain(from, to, ref string) string { return pkt(from + " " + to + " " + ref) }

// Whatever is read as the commands of a push names refs that git would take, each
// once.
func FuzzOpening(f *testing.F) {
	f.Add([]byte(command(zero, one, "refs/heads/x", "report-status") + "0000"))
	f.Add([]byte("0034shallow " + one + command(zero, one, "refs/heads/x", "") + "0000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		refs, err := git.ReadOpening(b)
		if err != nil {
			return
		}
		slices.Sort(refs)
		if len(slices.Compact(slices.Clone(refs))) != len(refs) {
			t.Errorf("a ref twice: %q", refs)
		}
		for _, ref := range refs {
			if !strings.HasPrefix(ref, "refs/") || strings.ContainsAny(ref, " \n\x00\x7f~^:?*[\\") || strings.Contains(ref, "..") {
				t.Errorf("%q is a ref", ref)
			}
		}
	})
}

// A directory may be written with a slash at its end.
func TestCovers(t *testing.T) {
	for _, c := range []struct {
		glob, path string
		want       bool
	}{
		{"ci/", "ci/x/y", true},
		{"ci", "ci", true},
		{"ci/*", "ci/x", true},
		{"ci/*", "ci/x/y", false},
		{"ci/**", "other/ci/x", false},
		{"**/ci/**", "other/CI/x", true},
		{"*.yml", "a.YML", true},
		{"*.yml", "b/a.yml", false},
		{"Straße", "STRASSE", true},
	} {
		if got := git.Covers(c.path, c.glob); got != c.want {
			t.Errorf("%q covers %q: %t", c.glob, c.path, got)
		}
	}
}

// A glob covers all that it matches, in every case, and nothing makes it panic.
func FuzzCovers(f *testing.F) {
	f.Add(".github/workflows/**", ".github/workflows/ci.yml")
	f.Add("**/Makefile", "a/b/Makefile")
	f.Add("a*/**", "GITHUB~1")
	f.Fuzz(func(t *testing.T, glob, path string) {
		if !strings.Contains(path, "\\") && !strings.Contains(glob, "\\") && isASCII(glob+path) && clean(glob) && clean(path) && sidecar.MatchPath(glob, path) {
			for _, spelled := range []string{path, strings.ToUpper(path), path + ".", path + ":x"} {
				if !git.Covers(spelled, glob) {
					t.Errorf("%q is not covered by %q", spelled, glob)
				}
			}
		}
		git.Covers(path, glob)
		git.Covers(path, glob+"/")
	})
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 0x7e || r < 0x20 }) < 0
}

// clean is whether nothing of a path is cut off by NTFS.
func clean(path string) bool {
	for s := range strings.SplitSeq(path, "/") {
		if s == "" || strings.Contains(s, ":") || strings.TrimRight(s, " .") != s {
			return false
		}
	}
	return true
}

// A body that is compressed is read as what it holds, and nothing after it.
func TestCompressed(t *testing.T) {
	rules := &git.Rules{Refs: []string{"refs/heads/x"}}
	body := command(zero, one, "refs/heads/x", "report-status") + "0000" + string(pack(0))
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, body)
	_ = z.Close()
	for _, c := range []struct {
		body, encoding string
		ok             bool
	}{
		{packed.String(), "gzip", true},
		{packed.String() + packed.String(), "gzip", false}, // two pushes
		{packed.String() + "x", "gzip", false},
		{packed.String()[:packed.Len()-1], "gzip", false},
		{body, "gzip", false},
		{packed.String(), "", false},
		{body, "br", false},
		{body, "gzip, gzip", false},
	} {
		p, err := rules.Open(t.Context(), strings.NewReader(c.body), c.encoding, nil)
		if ok := err == nil && p.Refusal() == nil; ok != c.ok {
			t.Errorf("%q of %d bytes: %v", c.encoding, len(c.body), err)
		}
		if err != nil {
			continue
		}
		got, err := io.ReadAll(p)
		if c.ok && (string(got) != body || err != nil) || !c.ok && !errors.Is(err, git.ErrRefused) {
			t.Errorf("%q of %d bytes: %q, %v", c.encoding, len(c.body), got, err)
		}
		_ = p.Close()
		p.Wait()
	}
}

// The server's list of refs is passed on with what makes packs whole, and
// without what would be refused.
func TestAdvertise(t *testing.T) {
	list := "001f# service=git-receive-pack\n0000"
	line := one + " refs/heads/main\x00report-status push-options push-cert=x ofs-delta object-format=sha1\n"
	rest := "003d" + one + " refs/heads/other\n0000"
	list += pkt(line) + rest
	body, err := git.Advertise(io.NopCloser(strings.NewReader(list)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(body)
	want := "001f# service=git-receive-pack\n0000" + pkt(one+" refs/heads/main\x00no-thin report-status ofs-delta object-format=sha1\n") + rest
	if err != nil || string(got) != want {
		t.Errorf("%q, %v\nwant %q", got, err, want)
	}
	for _, bad := range []string{"", "0000", "hello", "000eversion 1\n" + list, pkt(strings.Replace(line, "sha1", "sha256", 1))} {
		if body, err := git.Advertise(io.NopCloser(strings.NewReader(bad))); err == nil {
			got, _ := io.ReadAll(body)
			t.Errorf("%q is passed on as %q", bad, got)
		}
	}
}

func pkt(s string) string { return fmt.Sprintf("%04x%s", len(s)+4, s) }
