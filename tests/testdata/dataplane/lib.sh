# What the scripts of agents share. Each line that they print begins with "ok" or "FAIL".
failed=0
says() { printf '%s' "$1" | tr '\n' ' ' | tail -c "${2:-160}"; echo; }

# works NAME WANT COMMAND...: it succeeds and says WANT.
works() {
	name=$1 want=$2
	shift 2
	if out=$("$@" </dev/null 2>&1) && printf '%s' "$out" | grep -q -e "$want"; then
		echo "ok $name: $(says "$out")"
	else
		echo "FAIL $name: $(says "$out" 2000)"
		failed=1
	fi
}

# fails NAME WANT COMMAND...: it does not, and says why.
fails() {
	name=$1 want=$2
	shift 2
	if out=$("$@" </dev/null 2>&1) || ! printf '%s' "$out" | grep -q -e "$want"; then
		echo "FAIL $name: $(says "$out" 2000)"
		failed=1
	else
		echo "ok $name: $(says "$out")"
	fi
}

measured() {
	echo "waiting $1"
	read -r _
}

commit() { # commit FILE TEXT
	mkdir -p "$(dirname "$1")"
	echo "$2" >"$1"
	git add "$1"
	git commit -q -m "$1"
}

work=$(mktemp -d)
cd "$work" || exit 1
git config --global user.name agent
git config --global user.email agent@example.com
