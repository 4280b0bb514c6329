#!/usr/bin/env bash
# The first process of a second machine: an engine, an sshd and a registry in namespaces of their own, started by
# machine.ts. Its own files are in FOLDER; it shares the others with the host. When this process ends, the kernel ends all
# processes of the machine and removes its mounts, links and addresses.
#
# machine.sh FOLDER LINK ADDRESS SSHD REGISTRY
set -euo pipefail

FOLDER=$1 LINK=$2 ADDRESS=$3 SSHD=$4 REGISTRY=$5
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
unset DOCKER_HOST DOCKER_CONFIG

for part in etc srv usr/local/sbin var/lib/docker var/log; do mount --bind "$FOLDER/$part" "/$part"; done
mount -t tmpfs tmpfs /run
mkdir /run/sshd
hostname second-machine

# The host moves one end of the link here.
until ip link show dev "$LINK" >/dev/null 2>&1; do sleep 0.1; done
ip link set lo up
ip address add "$ADDRESS/30" dev "$LINK"
ip link set "$LINK" up

# Its own cgroup hierarchy, so that its leftovers are not mixed with the host's.
dockerd --cgroup-parent /second-machine --exec-opt native.cgroupdriver=cgroupfs >/var/log/dockerd.log 2>&1 &
# Debian's package and its libraries are only unpacked.
LD_LIBRARY_PATH=$(dirname -- "$SSHD")/../lib/$(uname --machine)-linux-gnu "$SSHD" -D -f /etc/ssh/sshd_config -E /var/log/sshd.log &
OTEL_TRACES_EXPORTER=none "$REGISTRY" serve /etc/registry.yml >/var/log/registry.log 2>&1 &
trap 'kill $(jobs -p); wait; exit' TERM
wait -n
echo 'a program of the second machine has ended' >&2
exit 1
