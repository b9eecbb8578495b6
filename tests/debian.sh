#!/bin/sh
# Makes the image that the tests with real clients run in, once: Debian with the tools
# that agents use, from the mirror that this machine uses itself. Prints the image's name.
# As root on Debian or Ubuntu it installs debootstrap when that is missing.
set -eu
suite=bookworm
# cargo-web, for Debian's cargo is too old for sparse registries.
packages="ca-certificates cargo-web curl git golang-go npm openssl python3-pip"
cache=/var/cache/bottle-test

key=$(echo "$suite $packages" | sha256sum | cut -c1-12)
image=bottle-test/debian:$key
if docker image inspect "$image" >/dev/null 2>&1; then
	echo "$image"
	exit 0
fi
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
tar=$cache/debian-$key.tar
if [ ! -e "$tar" ]; then
	if ! command -v debootstrap >/dev/null 2>&1; then
		apt-get update -qq
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
	fi >&2
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' "Codename: $suite" | head -n 1)
	root=$cache/debian-$key.root
	rm -rf "$cache"/debian-*
	mkdir "$root"
	# In memory where that is to be had: dpkg waits for the disk after every file.
	mount -t tmpfs -o size=4g bottle-test "$root" 2>/dev/null || true
	trap 'umount "$root" 2>/dev/null || true; rm -rf "$root"' EXIT
	# debootstrap itself resolves the dependencies of npm wrongly; apt does not.
	{
		debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" "$mirror"
		cp /etc/resolv.conf "$root/etc/resolv.conf"
		apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' | grep " $suite" >"$root/etc/apt/sources.list"
		chroot "$root" apt-get update
		# shellcheck disable=SC2086 # a list
		DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io \
			-o Dpkg::Options::='--path-exclude=/usr/share/doc/*' -o Dpkg::Options::='--path-exclude=/usr/share/man/*' $packages
	} >"$cache/debian.log" 2>&1 || {
		tail -n 20 "$cache/debian.log" >&2
		exit 1
	}
	# What the mirror is called is nobody's business in a test.
	rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/doc "$root"/usr/share/man "$root"/usr/share/locale \
		"$root"/etc/apt/sources.list "$root"/etc/resolv.conf
	tar -C "$root" --numeric-owner --one-file-system -cf "$tar.part" .
	mv "$tar.part" "$tar"
fi
docker import --change 'LABEL bottle.test=debian' "$tar" "$image" >/dev/null
echo "$image"
