# The one image of sbd-operator. `make image` builds it with whatever builder is there, and checks it.

# Where it is built: any image with glibc, a C compiler, make and npm. Where no registry can be reached,
# packaging/image/local-base.sh makes one.
ARG BUILD_BASE=docker.io/library/node:24-bookworm

# Build stage: nothing of it but /image is in the final image.
FROM ${BUILD_BASE} AS build
# For whom the image is, amd64 or arm64; the base is of the machine that builds.
ARG ARCH=amd64
# npm trusts what the base trusts.
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
WORKDIR /build

# The packages first: they change less often than the sources. The lock file holds their checksums, the
# pinned Node.js among them, and no package runs a script.
COPY package.json package-lock.json .npmrc Makefile ./
RUN make node_modules/.installed

# Addon and bundle, and then everything the final image holds, laid out below /image.
COPY packaging packaging
COPY src src
RUN make bundle && packaging/image/lay-out.sh /image ${ARCH}

# Final stage: no shell, no package manager, no libraries but those that Node.js and the addon need.
FROM scratch
COPY --from=build /image/ /
ENV PATH=/usr/bin
# The agent opens the watchdog and the shared device, which are root's. The operator's pod says 65532
# (`sbd` in /etc/passwd), under which everything here can be read.
USER 0:0
WORKDIR /
# Followed by a word: agent, operator, fencer, ctl, version.
ENTRYPOINT ["/usr/bin/sbd"]
