# Everything a fresh clone needs, it installs itself: Node 20 or newer with npm, a C compiler and
# make are assumed, nothing else. Node 24 and its headers come from npm.
SHELL := /bin/bash
.DELETE_ON_ERROR:
NATIVE := build/sys.node build/interpose.so
CFLAGS := -O2 -fPIC -shared -std=gnu11 -Wall -Wextra -Werror
SCENARIO ?= partition
NODE_PACKAGE = $(firstword $(wildcard node_modules/node-linux-*))
ADDON_CC := cc
need-compiler = command -v $(firstword $(1)) >/dev/null || { echo "There is no C compiler '$(firstword $(1))' here, which the native addon takes: install gcc (Debian, Ubuntu: apt-get install gcc libc6-dev; Fedora, RHEL: dnf install gcc)." >&2; exit 2; }

.PHONY: help setup test demo sim mutants test-vm demo-vm kube test-kube test-cluster demo-cluster bundle image must-gather-image plugin manifests release bench-long bench scenarios reference format clean

help:
	@printf '%s\n' \
	  'make demo [SCENARIO=name]     a cluster loses a node and keeps its data' \
	  'make test                     type-check, lint, build the native addon, simulate, run every test' \
	  'make sim [SEED=n|SEEDS=count SEED_START=n|HOURS=n] [NODES=n]   try to break the safety claim' \
	  'make mutants                  break the protocol on purpose, and see who notices' \
	  'make test-vm                  real kernels, a real watchdog, a real shared disk (40 minutes)' \
	  'make demo-vm                  one fencing on real kernels, to watch' \
	  'make kube [KUBE=version]      build the Kubernetes servers once, into a cache (half an hour)' \
	  'make test-kube                the tests that speak to an API server, on a real one' \
	  'make test-cluster             real Kubernetes on virtual machines, installed from deploy/, loses a node' \
	  'make demo-cluster             one fencing there, to watch' \
	  'make bench                    speed of the wire format, one JSON line an operation' \
	  'make bundle                   what the image is made of, in build/bundle' \
	  'make image [IMAGE=name:tag] [ARCH=amd64|arm64]   the image and an archive of it, checked' \
	  'make must-gather-image        the image for oc adm must-gather, built and tried' \
	  'make plugin                   the plugin of kubectl and its krew manifest, in dist/' \
	  'make manifests                dist/install.yaml, the Helm chart and the OLM bundle, from deploy/' \
	  'make release                  everything that a tagged release publishes, in dist/' \
	  'make bench-long               memory, CPU and API writes of the bundle on a cluster of 255 nodes' \
	  'make scenarios                write the traces of scenario files anew' \
	  'make reference                write the generated pages of docs/ anew'

setup: node_modules/.installed $(NATIVE)

# Not npm ci: it refuses a lock file that was written where a registry lacks the tools' bindings for
# other platforms. The versions and checksums of the lock file hold all the same.
node_modules/.installed: package.json package-lock.json .npmrc
	@npm install --no-save --loglevel=error
	@touch $@

build/sys.node build/arm64/sys.node build/amd64/sys.node: src/platform/native/sys.c node_modules/.installed
	@$(call need-compiler,$(ADDON_CC))
	@mkdir -p $(@D)
	@$(ADDON_CC) $(CFLAGS) -I$(NODE_PACKAGE)/include/node -o $@ $< -lpthread

# What runs in the image: minified modules and the addon beside them, see packaging/bundle.ts.
bundle: node_modules/.installed build/sys.node
	@node_modules/.bin/node packaging/bundle.ts build/bundle

# The image, as an archive too, checked: see packaging/image/build.sh for what may be chosen.
image: node_modules/.installed
	@packaging/image/build.sh

must-gather-image: node_modules/.installed
	@packaging/must-gather/build.sh

plugin: setup
	@node_modules/.bin/node packaging/krew.ts dist

# dist/install.yaml, the Helm chart and the OLM bundle, from deploy/.
manifests: node_modules/.installed
	@node_modules/.bin/node packaging/manifests.ts

# For a pushed tag: images, manifests, chart, bundle and their checksums, in dist/.
release:
	@packaging/release.sh

bench-long: setup
	@node_modules/.bin/node packaging/measure-cost.ts

build/interpose.so: src/testing/native/interpose.c
	@$(call need-compiler,cc)
	@mkdir -p build
	@cc $(CFLAGS) -o $@ $< -ldl -lpthread

test: setup
	@npm test --silent

sim: setup
	@npm run --silent sim

mutants: setup
	@node_modules/.bin/node sim/mutants/main.ts

test-vm: setup
	@node_modules/.bin/node test/vm/run-vm.ts

demo-vm: setup
	@node_modules/.bin/node test/vm/run-vm.ts --only 1 --timeline

kube: setup
	@node_modules/.bin/node test/kube/build-kube.ts $(KUBE)

test-kube: setup
	@KUBE=$(KUBE) node_modules/.bin/node test/kube/run-kube.ts

test-cluster: setup
	@node_modules/.bin/node test/cluster/run-cluster.ts

demo-cluster: setup
	@node_modules/.bin/node test/cluster/run-cluster.ts --only network-cut --timeline

demo: setup
	@npm run --silent demo -- --scenario $(SCENARIO)

bench: setup
	@npm run --silent bench

scenarios: setup
	@REWRITE_SCENARIOS=1 node_modules/.bin/node --test 'src/*/scenarios.test.ts'

reference: setup
	@node_modules/.bin/node packaging/reference.ts

format: setup
	@npm run --silent format

clean:
	rm -rf build dist bundle node_modules
