#!/bin/busybox sh
# First process of a node, in its initramfs: loads what it takes to reach the disk "root", brings the
# scripts of this folder along to /run/vm, and goes on there with node-init.sh.
export PATH=/bin
/bin/busybox mkdir -p /bin /proc /sys /dev /root
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
exec </dev/null >/dev/console 2>&1
. /node/functions.sh

while read -r module; do
  [ -d "/sys/module/$module" ] || insmod "/modules/$module.ko" || echo "vm: module $module refused"
done </modules/order
until root=$(disk root); do usleep 20000; done
mount -t ext4 -o noatime "$root" /root || { echo "vm: the root disk cannot be mounted"; exec sh; }
mount -t tmpfs -o mode=755 run /root/run
mkdir -p /root/run/vm
cp /node/* /root/run/vm/
for folder in dev proc sys; do mount --move "/$folder" "/root/$folder"; done
exec switch_root /root /run/vm/node-init.sh
