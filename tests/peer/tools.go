package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
)

// tools serves what developers' tools speak to, each below a path of its own and
// only to who brings the key in the way that such servers ask for.
func tools([]string) error {
	key := os.Getenv("PEER_KEY")
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("agent:"+key))
	backend, err := gitBackend()
	if err != nil {
		return err
	}
	stream := http.NewServeMux()
	newWorld().on(stream)
	mux := http.NewServeMux()
	for path, h := range map[string]http.Handler{
		"/git":    demand("Authorization", basic, backend),
		"/npm":    demand("Authorization", "Bearer "+key, npm()),
		"/pypi":   demand("Authorization", basic, pypi()),
		"/crates": demand("Authorization", key, crates()),
		"/go":     demand("Authorization", basic, goProxy()),
		"/stream": demand("X-Api-Key", key, stream),
		"/s3":     signed(os.Getenv("PEER_ACCESS_KEY"), key, stream),
	} {
		mux.Handle(path+"/", http.StripPrefix(path, h))
	}
	return listen(mux, "443")
}

// files are answers by path.
type files map[string][]byte

func (f files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, ok := f[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if strings.HasSuffix(r.URL.Path, "/") {
		w.Header().Set("Content-Type", "text/html")
	}
	_, _ = w.Write(b)
}

// npm is a registry with one package, which names its tarball by the registry's own
// URL, as they all do.
func npm() http.Handler {
	tgz := gzipped(map[string]string{
		"package/package.json": `{"name": "hello-bottle", "version": "1.0.0", "main": "index.js"}`,
		"package/index.js":     `module.exports = "hello from npm"`,
	})
	sum := sha512.Sum512(tgz)
	return files{
		"/hello-bottle": encoded(map[string]any{
			"name": "hello-bottle", "dist-tags": map[string]string{"latest": "1.0.0"},
			"versions": map[string]any{"1.0.0": map[string]any{
				"name": "hello-bottle", "version": "1.0.0",
				"dist": map[string]string{"tarball": "https://tools/npm/hello-bottle/-/hello-bottle-1.0.0.tgz", "integrity": "sha512-" + base64.StdEncoding.EncodeToString(sum[:])},
			}},
		}),
		"/hello-bottle/-/hello-bottle-1.0.0.tgz": tgz,
	}
}

// pypi is a simple index (PEP 503) with one wheel.
func pypi() http.Handler {
	const name, dist = "hello_bottle-1.0.0-py3-none-any.whl", "hello_bottle-1.0.0.dist-info/"
	wheel := zipped(map[string]string{
		"hello_bottle.py": "word = 'hello from pip'\n",
		dist + "METADATA": "Metadata-Version: 2.1\nName: hello-bottle\nVersion: 1.0.0\n",
		dist + "WHEEL":    "Wheel-Version: 1.0\nGenerator: peer\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
		dist + "RECORD":   "hello_bottle.py,,\n" + dist + "METADATA,,\n" + dist + "WHEEL,,\n" + dist + "RECORD,,\n",
	})
	return files{
		"/simple/hello-bottle/": fmt.Appendf(nil, `<a href="https://tools/pypi/simple/files/%s#sha256=%s">%s</a>`, name, sha(wheel), name),
		"/simple/files/" + name: wheel,
	}
}

// crates is a sparse registry with one crate.
func crates() http.Handler {
	crate := gzipped(map[string]string{
		"hello-bottle-1.0.0/Cargo.toml": "[package]\nname = \"hello-bottle\"\nversion = \"1.0.0\"\nedition = \"2021\"\n",
		"hello-bottle-1.0.0/src/lib.rs": "pub const WORD: &str = \"hello from cargo\";\n",
	})
	return files{
		"/config.json":                    encoded(map[string]string{"dl": "https://tools/crates/dl"}),
		"/he/ll/hello-bottle":             encoded(map[string]any{"name": "hello-bottle", "vers": "1.0.0", "deps": []string{}, "cksum": sha(crate), "features": map[string]string{}, "yanked": false}),
		"/dl/hello-bottle/1.0.0/download": crate,
	}
}

// goProxy is a module proxy with one module.
func goProxy() http.Handler {
	const at = "example.com/hello@v1.0.0/"
	return files{
		"/example.com/hello/@v/list":        []byte("v1.0.0\n"),
		"/example.com/hello/@v/v1.0.0.info": encoded(map[string]string{"Version": "v1.0.0"}),
		"/example.com/hello/@v/v1.0.0.mod":  []byte("module example.com/hello\n"),
		"/example.com/hello/@v/v1.0.0.zip": zipped(map[string]string{
			at + "go.mod":   "module example.com/hello\n",
			at + "hello.go": "package hello\n\nconst Word = \"hello from go\"\n",
		}),
	}
}

func encoded(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain data
	}
	return b
}

func sha(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// gzipped and zipped are archives of texts by name. What is written to memory is
// written.
func gzipped(content map[string]string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for name, text := range content {
		_ = w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))})
		_, _ = w.Write([]byte(text))
	}
	_ = w.Close()
	_ = z.Close()
	return b.Bytes()
}

func zipped(content map[string]string) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, text := range content {
		f, err := w.Create(name)
		if err != nil {
			panic(err) // names are good
		}
		_, _ = f.Write([]byte(text))
	}
	_ = w.Close()
	return b.Bytes()
}
