#!/bin/bash
# First process of a node, on its own root: what an init system would have done for containerd and
# kubelet, which come as services from the disk "settings"; and the commands that the host sends.
export PATH=/usr/bin:/usr/sbin:/bin:/sbin HOME=/root
exec </dev/null >/dev/console 2>&1
BOOT=$(cat /proc/sys/kernel/random/boot_id)
export BOOT
echo "vm: boot $BOOT"
. /run/vm/functions.sh
load() { modprobe "$@" || echo "vm: module $1 refused"; }

mount -t tmpfs tmp /tmp
mkdir -p /dev/pts /dev/shm /run/lock
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount --make-rshared /
# Everything of the node's own in a cgroup of little weight: where processors are emulated, the start of
# a pod starves beside kubelet and containerd otherwise.
echo '+cpu +memory +pids +cpuset +io' >/sys/fs/cgroup/cgroup.subtree_control
mkdir -p /sys/fs/cgroup/system
echo 20 >/sys/fs/cgroup/system/cpu.weight
echo $$ >/sys/fs/cgroup/system/cgroup.procs

# argument NAME: what the kernel was told of it.
argument() { tr ' ' '\n' </proc/cmdline | sed -n "s/^$1=//p"; }
address=$(argument node.address) api=$(argument node.api)
ip link set lo up
ip addr add "$address/24" dev eth0
ip link set eth0 up
# The API server, by its own port and by the address that pods are told, and nothing else of the world.
ip route add 10.96.0.0/24 via 10.0.2.2
echo 1 >/proc/sys/net/ipv4/ip_forward
for chain in PREROUTING OUTPUT; do
  iptables -t nat -A $chain -d 10.96.0.1/32 -p tcp --dport 443 -j DNAT --to-destination "10.0.2.2:$api"
done

until settings=$(disk settings); do sleep 0.1; done
tr -d '\000' <"$settings" >/run/vm/settings.sh
# A device node, not a link: kubelet follows links, and then knows the disk by a name that may change.
for serial in sbd workload; do
  until device=$(disk $serial); do sleep 0.1; done
  rm -f "/dev/shared-$serial"
  mknod "/dev/shared-$serial" b $(cat "/sys/block/${device##*/}/dev" | tr : ' ')
  echo "vm: disk $serial is $device"
done
for module in overlay loop veth; do load $module; done
control &
. /run/vm/settings.sh
echo "vm: ready $BOOT"
while :; do
  wait
  sleep 1
done
