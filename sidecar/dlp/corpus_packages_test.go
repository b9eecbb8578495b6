package dlp_test

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"slices"
)

func npmVersion(files []file, n int) map[string]any {
	ball := tarball(files[:1])
	sum, sha := sha512.Sum512(ball), sha1.Sum(ball)
	return map[string]any{
		"name": "left-pad", "version": fmt.Sprintf("1.%d.0", n), "gitHead": hex.EncodeToString(sha[:]),
		"scripts": map[string]string{"test": "node --test", "prepublishOnly": "npm run build"}, "dependencies": map[string]string{"jsonwebtoken": "^9.0.2", "keyv": "^4.5.4"},
		"dist": map[string]any{
			"shasum": hex.EncodeToString(sha[:]), "integrity": "sha512-" + base64.StdEncoding.EncodeToString(sum[:]), "unpackedSize": len(ball), "fileCount": len(files),
			"tarball":    "https://registry.example/left-pad/-/left-pad-1.0.0.tgz",
			"signatures": []any{map[string]string{"keyid": "SHA256:" + base64.StdEncoding.EncodeToString(digest(ball)), "sig": base64.StdEncoding.EncodeToString(append(digest(ball), digest(sum[:])...))}},
		},
		"_npmUser": map[string]string{"name": "somebody", "email": "somebody@example.com"}, "_id": "left-pad@1.0.0", "_nodeVersion": "22.1.0",
	}
}

func npmMetadata(files []file) []byte {
	versions := map[string]any{}
	for i := range 40 {
		versions[fmt.Sprintf("1.%d.0", i)] = npmVersion(append(files[i%len(files):len(files):len(files)], files...), i)
	}
	return encode(map[string]any{"_id": "left-pad", "_rev": "3-" + hex.EncodeToString(digest(files[0].data))[:32], "name": "left-pad", "versions": versions, "dist-tags": map[string]string{"latest": "1.39.0"}})
}

func npmPublish(files []file) []byte {
	return encode(map[string]any{
		"_id": "left-pad", "name": "left-pad", "versions": map[string]any{"1.0.0": npmVersion(files, 0)},
		"_attachments": map[string]any{"left-pad-1.0.0.tgz": map[string]any{"content_type": "application/octet-stream", "data": base64.StdEncoding.EncodeToString(tarball(files))}},
	})
}

// packs are what git sends on a push: each of a commit with some of the files.
func packs(files []file) ([]body, error) {
	if _, err := exec.LookPath("git"); err != nil {
		return nil, nil // then there is none in the corpus
	}
	dir, err := os.MkdirTemp("", "dlp-corpus")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	git := func(in []byte, args ...string) ([]byte, error) {
		c := exec.Command("git", append([]string{"-C", dir}, args...)...) //nolint:noctx // of a test
		c.Stdin = bytes.NewReader(in)
		return c.Output()
	}
	if _, err := git(nil, "init", "-q", "--bare"); err != nil {
		return nil, err
	}
	var out []body
	for chunk := range slices.Chunk(files, 200) {
		var ids []byte
		for _, f := range chunk {
			id, err := git(f.data, "hash-object", "-w", "--stdin")
			if err != nil {
				return nil, err
			}
			ids = append(ids, id...)
			if len(ids) > 41*20 {
				break
			}
		}
		pack, err := git(ids, "pack-objects", "--stdout", "-q")
		if err != nil {
			return nil, err
		}
		out = append(out, body{"git pack", chunk[0].name, pack})
	}
	return out, nil
}
