#!/usr/bin/env bash
# Builds and checks the image wherever that is possible: with a builder that is there, else with buildah
# where Debian's packages can be installed. Says so where it is not. Fails where the image cannot be built,
# does not start, is too large, or takes longer than half an hour.
set -euo pipefail
cd "$(dirname "$0")/../.."
LIMIT_SECONDS=1800

# buildah's base is made by debootstrap.
builder() {
  { command -v buildah && command -v debootstrap; } || command -v podman || docker info
}
if ! builder >/dev/null 2>&1 && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  timeout 300 apt-get install -qq --yes --no-install-recommends buildah debootstrap >/dev/null 2>&1 || true
fi
builder >/dev/null 2>&1 || { echo "skipped: the image: there is no buildah, podman or docker here, and none can be installed"; exit 0; }
started=$SECONDS
timeout "$LIMIT_SECONDS" make --silent image || {
  code=$?
  [ "$code" != 124 ] || echo "image: not built within $LIMIT_SECONDS s" >&2
  exit "$code"
}
echo "image: built and checked in $((SECONDS - started)) s"
