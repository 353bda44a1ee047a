/**
 * What a container runtime does before a container's process begins, as one shell script: a mount
 * namespace, the image's files read-only, a small /dev, the volumes.
 *
 * Not modelled: control groups, seccomp, capabilities, and every namespace but that of mounts. A pod
 * without hostNetwork has an address of its own on loopback.
 */
import { quoted } from "../shell-words.ts";

export type ContainerMount = {
  /** On the machine. */
  readonly source: string;
  /** In the container. */
  readonly target: string;
  readonly readOnly: boolean;
};

export type ContainerDevice = {
  /** A block device of the machine. */
  readonly source: string;
  readonly path: string;
};

export type ContainerFiles = {
  /** A copy of the image's files, this container's own. */
  readonly root: string;
  readonly mounts: readonly ContainerMount[];
  readonly devices: readonly ContainerDevice[];
  /** The container's working files on the machine: its termination message among them. */
  readonly terminationLog: string;
  readonly user: number;
  readonly group: number;
};

const DEVICES = ["null", "zero", "full", "random", "urandom"];

/** A script for `unshare --mount /bin/sh -c`; it becomes the container's process. */
export function containerScript(files: ContainerFiles, argv: readonly string[]): string {
  const { root } = files;
  const at = (path: string): string => quoted(`${root}${path}`);
  const lines = [
    "set -e",
    "mount --make-rprivate /",
    `mkdir -p ${at("/dev")} ${at("/proc")}`,
    ...files.mounts.map(({ target }) => `mkdir -p ${at(target)}`),
    `mount --bind ${at("")} ${at("")}`,
    `mount -t tmpfs -o mode=755,size=1m tmpfs ${at("/dev")}`,
    `mount --bind /proc ${at("/proc")}`,
    ...DEVICES.flatMap((name) => [
      `: >${at(`/dev/${name}`)}`,
      `mount --bind /dev/${name} ${at(`/dev/${name}`)}`,
    ]),
    ...files.devices.flatMap(({ source, path }) => [
      `mkdir -p "$(dirname ${at(path)})"`,
      `cp -a "$(readlink -f ${quoted(source)})" ${at(path)}`,
    ]),
    `: >${at("/dev/termination-log")}`,
    `mount --bind ${quoted(files.terminationLog)} ${at("/dev/termination-log")}`,
    ...files.mounts.flatMap(({ source, target, readOnly }) => [
      `mount --bind ${quoted(source)} ${at(target)}`,
      ...(readOnly ? [`mount -o remount,bind,ro ${at(target)}`] : []),
    ]),
    `mount -o remount,bind,ro ${at("")}`,
    `exec chroot --userspec=${files.user}:${files.group} ${at("")} ${argv.map(quoted).join(" ")}`,
  ];
  return lines.join("\n");
}
