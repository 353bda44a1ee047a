#!/usr/bin/env bash
# Everything a release publishes, in dist/: image archives for both architectures, manifests, the Helm
# chart's and the OLM bundle's archives, kubectl's plugin with its krew manifest, and checksums. Whatever
# runs on a pushed tag runs this: it refuses a tree that is not the tag of package.json's version.
set -euo pipefail
cd "$(dirname "$0")/.."
make --silent node_modules/.installed
version=$(node_modules/.bin/node -p 'require("./package.json").version')
[ -z "$(git status --porcelain)" ] || { echo "release: the tree has changes that no commit has" >&2; exit 1; }
[ "$(git describe --exact-match --tags 2>/dev/null)" = "v$version" ] ||
  { echo "release: HEAD is not tagged v$version, which package.json says it is" >&2; exit 1; }

rm -rf dist
make --silent manifests
for arch in amd64 arm64; do
  cp "$(ARCH=$arch packaging/image/build.sh | tail -1)" dist/
done
pack() { tar -C "$2" --sort=name --mtime="@$(git log -1 --format=%ct)" --owner=0 --group=0 --numeric-owner -czf "dist/$1" "${@:3}"; }
pack "sbd-operator-chart-$version.tgz" charts sbd-operator
pack "sbd-operator-bundle-$version.tgz" . bundle
node_modules/.bin/node packaging/krew.ts dist >/dev/null
(cd dist && sha256sum -- * >SHA256SUMS && cat SHA256SUMS)
