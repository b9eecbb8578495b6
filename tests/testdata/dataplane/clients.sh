# What the tools of an agent do. Runs in the agent.
. /lib.sh

# git
works "git clone" "README" sh -c 'git clone -q https://tools/git/hello.git && ls hello'
works "git by ssh's spelling" "refs/heads/main" git ls-remote git@tools:git/hello.git

# npm
mkdir npm && cd npm || exit 1
echo '{"name": "work", "version": "1.0.0", "private": true}' >package.json
works "npm install" "added 1 package" npm install --no-audit --no-fund hello-bottle
works "npm's package" "hello from npm" node -e 'console.log(require("hello-bottle"))'
fails "npm publish" "E403.*does not allow\|403 Forbidden" sh -c 'mkdir pub && cd pub && echo "{\"name\": \"pub\", \"version\": \"1.0.0\"}" >package.json && npm publish'
cd "$work" || exit 1

# pip
works "pip install" "Successfully installed hello-bottle" pip install --no-cache-dir --disable-pip-version-check --target "$work/pip" hello-bottle
works "pip's package" "hello from pip" env PYTHONPATH="$work/pip" python3 -c 'import hello_bottle; print(hello_bottle.word)'

# cargo
mkdir -p cargo/src && cd cargo || exit 1
printf '[package]\nname = "work"\nversion = "1.0.0"\nedition = "2021"\n\n[dependencies]\nhello-bottle = "1"\n' >Cargo.toml
echo 'pub fn word() -> &'"'"'static str { hello_bottle::WORD }' >src/lib.rs
works "cargo check" "Checking hello-bottle" cargo check
cd "$work" || exit 1

# go
mkdir go && cd go || exit 1
printf 'module work\n\ngo 1.19\n' >go.mod
printf 'package main\n\nimport "example.com/hello"\n\nfunc main() { println(hello.Word) }\n' >main.go
works "go get" "example.com/hello v1.0.0" go get example.com/hello@latest
works "go run" "hello from go" go run .
cd "$work" || exit 1

# curl: an API, server-sent events that come one by one, AWS's signatures
works "curl" "GET tools" curl -sSf "$STREAM/whoami"
works "curl with a key of its own" "GET tools" curl -sSf -H "X-Api-Key: mine" -H "Authorization: Bearer mine" "$STREAM/whoami"
events() {
	curl -sSfN "$STREAM/events?n=4&id=curl" | while read -r kind n _; do
		if [ "$kind" = "data:" ]; then
			echo "event $n"
			curl -sSf -X POST "$STREAM/ack?id=curl"
		fi
	done
}
works "curl -N" "event 3" events
works "a WebSocket" "4 frames" /peer/peer check "echo=$(echo "$STREAM" | sed 's/^http/ws/')/echo"
works "curl --aws-sigv4" "200" curl -sS -o /dev/null -w '%{http_code}' --aws-sigv4 aws:amz:us-east-1:s3 --user "AKIAPLACEHOLDER:none" --data-binary "some text" "$S3/sink?b=2&a=1%20x"
works "AWS without a signature" "200" curl -sS -o /dev/null -w '%{http_code}' "$S3/whoami"

# What would help to take the key home.
works "no key in sight" "^none$" sh -c '{ env; cat ~/.npmrc ~/.gitconfig /.cargo/config.toml /proc/1/environ; } 2>/dev/null | grep -aq canary && echo found || echo none'
works "no private key of the launch" "^none$" sh -c 'ls /run/bottle/ca.pem && grep -rqs "PRIVATE KEY" /run /root && echo found || echo none'
exit $failed
