# What git may push, and what it says of what it may not. Runs in the agent.
. /lib.sh

# A key of no one, which looks like one; in one piece only here.
leak="ghp_""x9Kq2LmZ7vTbR4nW8sYc1HdJ6fGp3QaXeU5B"

git clone -q https://tools/git/hello.git || exit 1
cd hello || exit 1
git checkout -q -b agent/one
commit work.txt "work"
works "git push" "agent/one" git push origin agent/one
commit more.txt "more"
works "git push, forward" "agent/one" git push origin agent/one
fails "git push to a branch that is not allowed" "refs/heads/main" git push origin HEAD:main
fails "git push of a tag" "refs/tags/v1" git push origin HEAD:refs/tags/v1
git commit -q --amend -m "another more"
fails "git push --force" "agent/one" git push --force origin agent/one
fails "git push --delete" "agent/one" git push --delete origin agent/one
git checkout -q -b agent/two main
commit one.txt "one"
commit two.txt "two"
commit three.txt "token = \"$leak\""
fails "git push of a secret in the third commit" "github-pat" git push origin agent/two
git reset -q --hard HEAD~1
works "git push without it" "agent/two" git push origin agent/two
commit .github/workflows/ci.yml "on: push"
fails "git push to a protected path" ".github/workflows" git push origin agent/two
git reset -q --hard HEAD~1
git clone -q https://tools/git/hello.git ../second
commit later.txt "later"
git push -q origin HEAD:agent/later
works "git fetch" "new branch.*agent/later" git -C ../second fetch
git checkout -q -b agent/big main
head -c "${PUSH_MIB}m" /dev/urandom >big.bin
git add big.bin
git commit -q -m big
works "git push of $PUSH_MIB MiB" "agent/big" git push origin agent/big
measured "push of $PUSH_MIB MiB"
cd "$work" || exit 1
exit $failed
