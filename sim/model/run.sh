#!/bin/bash
# Explores sim/model/fencing.pml exhaustively: the protocol must hold, and each plausible error in it
# must be found. Needs spin and a C compiler (Debian: spin, gcc). About three minutes and 2 GiB.
set -euo pipefail
model="$(cd "$(dirname "$0")" && pwd)/fencing.pml"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"

explore() { # NAME EXPECTED DEFINES...
  local name="$1" expected="$2"
  shift 2
  spin "$@" -a "$model" >spin.log 2>&1 || { cat spin.log; exit 1; }
  cc -O2 -DSAFETY -DCOLLAPSE -DVECTORSZ=256 -DMEMLIM=3000 -o pan pan.c 2>cc.log || { cat cc.log; exit 1; }
  ./pan -m4000000 -w24 >pan.log
  local states errors
  states="$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.log)"
  errors="$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.log)"
  if grep -q 'max search depth too small\|out of memory' pan.log; then
    echo "$name: not exhaustive"
    cat pan.log
    exit 1
  fi
  if [ "$errors" = 0 ]; then found=holds; else found=broken; fi
  echo "$name: $found ($states states)"
  if [ "$found" != "$expected" ]; then
    echo "$name: expected it to be $expected"
    exit 1
  fi
}

runs() {
  explore protocol holds
  explore msgwait-without-the-closing-pet broken -DM=2
  explore acknowledged-after-one-watchdog broken -DW=2 -DACKWAIT=2
  explore opens-before-a-good-pass broken -DEARLY_ARM
  explore message-not-compared broken -DNO_COMPARE
  explore node-boot-not-asked broken -DNO_NODE_BOOT
  explore vouches-with-a-request-open broken -DVOUCH_ALWAYS
}
runs
