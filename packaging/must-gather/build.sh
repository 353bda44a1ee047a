#!/usr/bin/env bash
# Builds the image for 'oc adm must-gather' from the image of this tree, which it builds first, and
# starts it, far enough to see that it gathers. Prints the archive's path last.
#   IMAGE=name:tag   its name; sbd-must-gather and the version of package.json
#   BASE=image       any with bash, tar, rsync, libstdc++ and glibc 2.28 or newer; else one made from
#                    Debian's archive, so that no registry of images is needed
# Takes buildah, and root for chroot.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=$(node_modules/.bin/node -p 'require("./package.json").version')
image=${IMAGE:-sbd-must-gather:$version}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sbd-operator/image
storage=(--root "$cache/storage" --runroot "$cache/run" --storage-driver vfs)
in_storage() { local command=$1; shift; buildah "${storage[@]}" "$command" "$@"; }

BUILDER=buildah IMAGE= packaging/image/build.sh >&2
base=${BASE:-}
if [ -z "$base" ]; then
  base=localhost/sbd-must-gather-base:bookworm
  if ! in_storage inspect --type image "$base" >/dev/null 2>&1; then
    echo "a base for the image from Debian's archive, once: a minute or two" >&2
    root=$(mktemp -d)
    debootstrap --variant=minbase --include=rsync bookworm "$root" >"$cache/must-gather-base.log" 2>&1 ||
      { tail -5 "$cache/must-gather-base.log" >&2; exit 1; }
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}
    tar -C "$root" --numeric-owner -cf "$cache/must-gather-base.tar" --exclude=./proc/* --exclude=./sys/* .
    rm -rf "$root"
    container=$(in_storage from scratch)
    in_storage add -q "$container" "$cache/must-gather-base.tar" / >/dev/null
    in_storage commit -q --rm "$container" "$base" >/dev/null
    rm -f "$cache/must-gather-base.tar"
  fi
fi
in_storage bud --isolation chroot --timestamp "$(git log -1 --format=%ct 2>/dev/null || echo 0)" \
  --build-arg "BASE=$base" --build-arg "SBD_IMAGE=localhost/sbd-operator:$version" \
  -f packaging/must-gather/Dockerfile --tag "$image" packaging/must-gather >&2

# What 'oc adm must-gather' starts: without a cluster it has to say so, with one (KUBECONFIG) to gather.
container=$(in_storage from --pull-never "$image")
root=$(in_storage mount "$container")
trap 'in_storage rm "$container" >/dev/null' EXIT
for program in bash tar rsync setsid; do
  chroot "$root" sh -c "command -v $program" >/dev/null || { echo "must-gather: $program is not in it" >&2; exit 1; }
done
if [ -n "${KUBECONFIG:-}" ]; then
  # Its certificates may be files that are not in the image.
  kubectl config view --flatten --raw >"$root/tmp/kubeconfig"
  chroot "$root" /usr/bin/env -i PATH=/usr/bin:/bin KUBECONFIG=/tmp/kubeconfig /usr/bin/gather >&2
  chroot "$root" find /must-gather -type f | sort >&2
else
  said=$(chroot "$root" /usr/bin/env -i PATH=/usr/bin:/bin /usr/bin/gather 2>&1) && code=0 || code=$?
  echo "must-gather: without a cluster: $said (exit code $code)" >&2
  case "$code $said" in "0 "*) exit 1 ;; *"API server"*) ;; *) exit 1 ;; esac
fi

archive=$cache/sbd-must-gather-$version.tar
rm -f "$archive"
in_storage push -q "$image" "oci-archive:$archive:docker.io/library/$image"
echo "$archive"
