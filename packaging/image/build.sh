#!/usr/bin/env bash
# Builds the image with buildah, podman or docker, whichever is there, writes it as an OCI archive, and
# checks that. Prints the archive's path last.
#   IMAGE=name:tag      its name; sbd-operator and the version of package.json
#   ARCH=amd64|arm64    for whom; this machine's. The other one takes buildah
#   BUILD_BASE=image    what to build in; else Dockerfile's, and with buildah one made from Debian's
#                       archive, so that no registry of images is needed
#   BUILDER=program     buildah, podman or docker
set -euo pipefail
cd "$(dirname "$0")/../.."
node=node_modules/.bin/node
version=$("$node" -p 'require("./package.json").version')
case $(uname -m) in aarch64) own=arm64 ;; *) own=amd64 ;; esac
arch=${ARCH:-$own}
image=${IMAGE:-sbd-operator:$version}
# As container runtimes read a name without a registry; so an archive that is imported is found by it.
case $image in */*) full_name=$image ;; *) full_name=docker.io/library/$image ;; esac
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sbd-operator/image
archive=$cache/sbd-operator-$version-$arch.tar
mkdir -p "$cache"

usable() {
  case $1 in
    docker) docker info >/dev/null 2>&1 ;;
    *) command -v "$1" >/dev/null ;;
  esac
}
builder=${BUILDER:-}
for candidate in buildah podman docker; do
  [ -n "$builder" ] || { ! usable "$candidate" || builder=$candidate; }
done
[ -n "$builder" ] || { echo "make image: there is no buildah, podman or docker here; on Debian: apt-get install buildah debootstrap" >&2; exit 2; }

[ "$arch" = "$own" ] || [ "$builder" = buildah ] ||
  { echo "make image: an image for $arch is made on $own by buildah alone, which can say of an image what it is for" >&2; exit 2; }

arguments=(--build-arg "ARCH=$arch" --tag "$image")
[ -z "${BUILD_BASE:-}" ] || arguments+=(--build-arg "BUILD_BASE=$BUILD_BASE")
rm -f "$archive"
case $builder in
  buildah)
    # Neither needs a kernel that a container may lack: no overlayfs, no namespaces of its own.
    storage=(--root "$cache/storage" --runroot "$cache/run" --storage-driver vfs)
    in_storage() { local command=$1; shift; buildah "${storage[@]}" "$command" "$@"; }
    if [ -z "${BUILD_BASE:-}" ]; then
      packaging/image/local-base.sh "$cache/base-root" "$cache/base.tar"
      base=sbd-build-base:$(sha256sum packaging/image/local-base.sh | cut -c1-12)
      if ! in_storage inspect --type image "$base" >/dev/null 2>&1; then
        container=$(in_storage from scratch)
        in_storage add -q "$container" "$cache/base.tar" / >/dev/null
        in_storage commit -q --rm "$container" "$base" >/dev/null
      fi
      arguments+=(--build-arg "BUILD_BASE=localhost/$base")
    fi
    timestamp=$(git log -1 --format=%ct 2>/dev/null || echo 0)
    in_storage bud --isolation chroot --timestamp "$timestamp" \
      "${arguments[@]}" .
    if [ "$arch" != "$own" ]; then
      # Nothing of that architecture has run here, so the builder does not know.
      case $image in */*) local_name=$image ;; *) local_name=localhost/$image ;; esac
      container=$(in_storage from --pull-never "$local_name")
      in_storage config --arch "$arch" "$container" 2>/dev/null
      in_storage commit -q --rm --timestamp "$timestamp" "$container" "$image" >/dev/null
    fi
    in_storage push -q "$image" "oci-archive:$archive:$full_name"
    ;;
  podman)
    podman build "${arguments[@]}" .
    podman save -q --format oci-archive -o "$archive" "$image"
    ;;
  docker)
    docker build "${arguments[@]}" .
    docker save -o "$archive" "$image"
    ;;
  *) echo "make image: BUILDER=$builder is none of buildah, podman, docker" >&2; exit 2 ;;
esac
"$node" packaging/image/check.ts "$archive"
echo "$archive"
