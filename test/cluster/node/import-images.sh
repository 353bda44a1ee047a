#!/usr/bin/env bash
# Has a node's own containerd import image archives into the root filesystem that it is part of.
# usage: unshare --mount --pid --fork --kill-child import-images.sh <root> <archive>...
set -euo pipefail
root=$1
shift
mount --make-rprivate /
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs dev "$root/dev"
for device in null zero random urandom; do touch "$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"; done
mount -t tmpfs run "$root/run"
mount -t tmpfs tmp "$root/tmp"
chroot "$root" /usr/bin/containerd >"$root/run/containerd.log" 2>&1 &
containerd=$!
for _ in $(seq 300); do
  [ -S "$root/run/containerd/containerd.sock" ] && break
  sleep 0.1
done
for archive in "$@"; do
  cp "$archive" "$root/tmp/archive.tar"
  chroot "$root" /usr/bin/ctr --namespace k8s.io images import --no-unpack=false /tmp/archive.tar ||
    { tail -5 "$root/run/containerd.log" >&2; exit 1; }
done
chroot "$root" /usr/bin/ctr --namespace k8s.io images list -q
kill $containerd
wait $containerd || true
