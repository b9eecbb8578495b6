#!/bin/sh
# Runs the demo and shows that nothing is left of it.
set -eu
cd "$(dirname "$0")/.."
ACME_API_KEY="acme-key-$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')"
export ACME_API_KEY
name="demo-$$"
status=0
bin/bottle run examples/hello.star --yes --progress plain --name "$name" || status=$?
echo
echo "What is left on the engine of this launch:"
echo "  containers: $(docker ps -aq --filter "label=bottle.launch=$name" | wc -l)"
echo "  networks:   $(docker network ls -q --filter "label=bottle.launch=$name" | wc -l)"
exit "$status"
