#!/bin/sh
# Fuzzes each target of the module, or those whose names match the second argument,
# for so many seconds each: sh tests/fuzz.sh 60 'Decide|Eval'. What is found is an input
# in the package's testdata/fuzz, which the ordinary tests try from then on.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
only=${2:-.}
export CGO_ENABLED=0
status=0
for pkg in $(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n 1 dirname | sort -u); do
	for target in $(grep -h '^func Fuzz' "$pkg"/*_test.go | sed 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/' | grep -E "$only"); do
		out=$(go test -run '^$' -fuzz "^$target\$" -fuzztime "${seconds}s" "$pkg" 2>&1) || case $out in
		# Go reports its own end of the time when that comes while an input is slow
		# (go.dev/issue/75804).
		*"context deadline exceeded"*) case $out in *"Failing input"*) false ;; esac ;;
		*) false ;;
		esac || {
			echo "$out"
			status=1
		}
		echo "$out" | grep '^fuzz: elapsed' | tail -n 1 | sed "s|^fuzz:|$pkg $target:|"
	done
done
exit $status
