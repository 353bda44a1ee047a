#!/usr/bin/env bash
# Makes a node's root filesystem from Debian's archive, but for Kubernetes: containerd, crun, CNI plugins
# and what kubelet calls. Nothing of it is installed on this machine, debootstrap excepted.
# usage: build-base.sh <folder>
set -euo pipefail
root=$1
packages=containerd,crun,containernetworking-plugins,iptables,iproute2,util-linux,mount,kmod,busybox-static
command -v debootstrap >/dev/null ||
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap; } >&2
rm -rf "$root.part"
mkdir -p "$(dirname "$root")"
debootstrap --variant=minbase --include="$packages" bookworm "$root.part" >"$root.log" 2>&1 ||
  { tail -5 "$root.log" >&2; exit 1; }
rm -rf "$root.part"/var/cache/apt/* "$root.part"/var/lib/apt/lists/* "$root.part"/usr/share/{doc,man,locale,info} \
  "$root.part"/usr/lib/cni/{dhcp,firewall,sbr,tuning,vlan,vrf,macvlan,ipvlan,bandwidth,static,host-device}
mkdir -p "$root.part"/opt/cni "$root.part"/etc/cni/net.d "$root.part"/etc/kubernetes "$root.part"/var/lib/kubelet
ln -s /usr/lib/cni "$root.part/opt/cni/bin"
mv "$root.part" "$root"
