#!/usr/bin/env bash
# Takes promtool out of Debian's package prometheus into the cache, once; nothing is installed.
set -euo pipefail
folder=${XDG_CACHE_HOME:-$HOME/.cache}/sbd-operator/promtool
[ -x "$folder/promtool" ] && exit 0
for tool in apt-get dpkg-deb; do
  command -v "$tool" >/dev/null || { echo "install-promtool.sh: there is no $tool here" >&2; exit 2; }
done
mkdir -p "$folder"
download=$(mktemp -d)
trap 'rm -rf "$download"' EXIT
cd "$download"
apt-get -qq -o APT::Sandbox::User=root download prometheus
dpkg-deb -x prometheus_*.deb .
mv usr/bin/promtool "$folder/promtool"
