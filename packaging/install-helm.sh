#!/usr/bin/env bash
# Builds helm from the Go module proxy into the cache, once; a slow machine takes ten minutes for it.
set -euo pipefail
folder=${XDG_CACHE_HOME:-$HOME/.cache}/sbd-operator/helm
[ -x "$folder/helm" ] && exit 0
command -v go >/dev/null || { echo "install-helm.sh: there is no Go here to build helm with" >&2; exit 2; }
mkdir -p "$folder"
cd "$folder"
GOBIN=$folder GOFLAGS=-p=1 nice -n 19 go install -trimpath helm.sh/helm/v3/cmd/helm@v3.18.6
