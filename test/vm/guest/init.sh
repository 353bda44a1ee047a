#!/bin/busybox sh
# First process of a guest. It loads drivers, reads its settings from the disk "settings" (so that one
# initramfs serves every guest, and a later boot may be given other settings than the first), starts
# the services and restarts them as a kubelet would, and runs the commands that the host sends.
export PATH=/bin:/usr/bin HOME=/tmp
/bin/busybox mkdir -p /proc /sys /dev /run /tmp
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
mkdir -p /run/vm
exec </dev/null >/dev/console 2>&1
BOOT=$(cat /proc/sys/kernel/random/boot_id)
export BOOT
echo "vm: boot $BOOT"
. /functions.sh

# load NAME [PARAMETER=VALUE...]: a module after everything it depends on.
load() {
  wanted=$1
  shift
  while read -r module; do
    [ -d "/sys/module/$module" ] && continue
    if [ "$module" = "$wanted" ]; then
      insmod "/modules/$module.ko" "$@" || echo "vm: module $module refused"
    else
      insmod "/modules/$module.ko" || echo "vm: module $module refused"
    fi
  done <"/modules/$wanted.order"
}

load virtio_pci
load virtio_console
load virtio_net
# In the background: the partition scan of a disk that hangs would hang the boot with it.
load virtio_blk &
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
ip route add default via 10.0.2.2

until settings=$(disk settings); do usleep 20000; done
tr -d '\000' <"$settings" >/run/vm/settings.sh
link sbd /dev/sbd-watchdog &
link workload /dev/workload &
# A disk that was pulled never appears: go on without it after five seconds.
tries=0
until { [ -e /dev/sbd-watchdog ] && [ -e /dev/workload ]; } || [ "$tries" = 100 ]; do
  usleep 50000
  tries=$((tries + 1))
done
. /run/vm/settings.sh
echo "vm: ready $BOOT"
control &
while :; do
  wait
  sleep 1
done
