#!/bin/sh
# Makes sure that a Docker engine answers. As root on Debian or Ubuntu it installs and
# starts one; elsewhere it says what to do.
set -eu

answers() { docker version >/dev/null 2>&1 || curl -sf --unix-socket /var/run/docker.sock http://docker/_ping >/dev/null 2>&1; }

answers && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
	echo "No Docker engine answers. Install one (Debian, Ubuntu: sudo apt-get install docker.io) or start it," >&2
	echo "and make sure that you may use it: docker info" >&2
	exit 1
fi
if ! command -v dockerd >/dev/null 2>&1; then
	echo "No Docker engine here: installing docker.io" >&2
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker.io iptables >/dev/null
fi
if [ -d /run/systemd/system ]; then
	systemctl start docker
else
	nohup dockerd >/var/log/dockerd.log 2>&1 &
fi
for _ in $(seq 60); do
	answers && exit 0
	sleep 0.5
done
echo "The Docker engine was started and does not answer; see /var/log/dockerd.log or journalctl -u docker" >&2
exit 1
