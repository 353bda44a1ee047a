#!/usr/bin/env bash
# Lays out the image's files: Node.js, the shared libraries that it and the addon need, the bundle, and
# the few files of /etc that glibc and container runtimes read. For the other architecture it compiles
# the addon with a cross compiler and has npm fetch that Node.js by the lock file.
# usage, after 'make bundle': packaging/image/lay-out.sh <root> <amd64|arm64>
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$1 arch=$2
case $(uname -m) in x86_64) own=amd64 ;; aarch64) own=arm64 ;; *) own=$(uname -m) ;; esac
case $arch in
  amd64) cpu=x64 triplet=x86_64-linux-gnu ;;
  arm64) cpu=arm64 triplet=aarch64-linux-gnu ;;
  *) echo "lay-out.sh: no image is made for '$arch'" >&2; exit 1 ;;
esac
if [ "$arch" = "$own" ]; then
  cc=cc strip=strip modules=node_modules addon=build/sys.node
else
  cc=$triplet-gcc strip=$triplet-strip modules=build/$arch/node_modules addon=build/$arch/sys.node
  mkdir -p "build/$arch"
  cp package.json package-lock.json .npmrc "build/$arch/"
  (cd "build/$arch" && npm install --no-save --omit=dev --cpu="$cpu" --os=linux --loglevel=error)
  make "$addon" ADDON_CC="$cc"
fi

mkdir -p "$root"/{etc,lib,opt,tmp,usr/bin}
"$strip" -o "$root/usr/bin/node" "$modules/node-linux-$cpu/bin/node"
cp -r build/bundle "$root/opt/sbd"
"$strip" -o "$root/opt/sbd/sys.node" "$addon"
install -m 755 packaging/image/sbd packaging/image/sbdctl "$root/usr/bin/"

# A library that is needed, and those that it needs, from where the target's compiler finds them.
add() {
  local library path
  for library in $(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
    [ -e "$root/lib/$library" ] && continue
    path=$("$cc" -print-file-name="$library")
    [ -e "$path" ] || { echo "lay-out.sh: $1 needs $library, which $cc does not find" >&2; exit 1; }
    install -m 755 "$path" "$root/lib/$library"
    add "$path"
  done
}
add "$root/usr/bin/node"
add "$root/opt/sbd/sys.node"
interpreter=$(readelf -l "$root/usr/bin/node" | sed -n 's/.*program interpreter: \(.*\)\]/\1/p')
mkdir -p "$root$(dirname "$interpreter")"
[ -e "$root$interpreter" ] ||
  install -m 755 "$("$cc" -print-file-name="$(basename "$interpreter")")" "$root$interpreter"

printf '%s\n' 'root:x:0:0:root:/:/usr/bin/sbd' 'sbd:x:65532:65532:sbd:/:/usr/bin/sbd' >"$root/etc/passwd"
printf '%s\n' 'root:x:0:' 'sbd:x:65532:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
chmod 1777 "$root/tmp"
