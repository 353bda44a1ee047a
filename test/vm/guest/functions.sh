# What the first process of a guest does, whatever the guest is made of: sourced by init.sh and by
# test/cluster/node/node-init.sh. It takes a shell, busybox, setsid and base64.

# disk SERIAL: path of the virtio disk with that serial.
disk() {
  for block in /sys/block/vd*; do
    [ "$(cat "$block/serial" 2>/dev/null)" = "$1" ] && echo "/dev/${block##*/}" && return 0
  done
  return 1
}

# link SERIAL PATH: gives the disk a name of its own, whenever it appears.
link() {
  until device=$(disk "$1"); do busybox usleep 50000; done
  ln -sf "$device" "$2"
  echo "vm: disk $1 is $device"
}

# service NAME DELAY COMMAND: runs COMMAND, its lines to the console under NAME, and again DELAY
# seconds after it ended; DELAY 'never' means once. What it leaves behind in its process group dies
# with it, as a container's processes do.
service() {
  mkfifo "/run/vm/$1.out"
  (while IFS= read -r line; do echo "[$1] $line"; done) <>"/run/vm/$1.out" &
  (
    while :; do
      setsid sh -c "echo \$\$ >/run/vm/$1.pid; exec $3" >"/run/vm/$1.out" 2>&1
      status=$?
      leader=$(cat "/run/vm/$1.pid")
      rm -f "/run/vm/$1.pid"
      kill -9 "-$leader" 2>/dev/null
      echo "vm: service $1 ended with $status"
      [ "$2" = never ] && break
      sleep "$2"
    done
  ) &
}

# control: runs what the host sends, each command beside the others, since any of them may hang.
control() {
  for port in /sys/class/virtio-ports/*; do
    [ "$(cat "$port/name")" = control ] && exec 3<>"/dev/${port##*/}"
  done
  echo "hello $BOOT" >&3
  while read -r id script <&3; do
    (
      echo "$script" | base64 -d >"/tmp/control.$id"
      output=$(sh "/tmp/control.$id" 2>&1)
      status=$?
      rm -f "/tmp/control.$id"
      echo "done $id $status $(printf %s "$output" | base64 | tr -d '\n')" >&3
    ) &
  done
}
