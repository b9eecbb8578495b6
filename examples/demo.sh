#!/bin/sh
# Runs the demo and shows that nothing is left of it. A listener on this machine
# stands for whatever listens on yours: the agent tries to reach it.
set -eu
cd "$(dirname "$0")/.."
ACME_API_KEY="acme-key-$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')"
export ACME_API_KEY
name="demo-$$"
listeners=$(mktemp)
examples/build/upstream -host >"$listeners" &
listener=$!
trap 'kill "$listener" 2>/dev/null; rm -f "$listeners"' EXIT
until [ -s "$listeners" ]; do
	kill -0 "$listener" # or there is nothing to wait for
	sleep 0.05
done
status=0
bin/bottle run examples/hello.star --yes --progress plain --name "$name" --arg host="$(cat "$listeners")" || status=$?
echo
echo "What is left on the engine of this launch:"
for list in "ps -a" "network ls" "volume ls"; do
	echo "\$ docker $list --filter label=bottle.launch=$name"
	# shellcheck disable=SC2086 # two words
	docker $list --filter "label=bottle.launch=$name"
done
exit "$status"
