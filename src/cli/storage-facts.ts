import fs from "node:fs";
import { basename, join } from "node:path";

import type { StorageDelay, StorageFacts } from "./doctor-facts.ts";
import { namesIn, numberOf, textOf } from "./host-facts.ts";

/**
 * How the kernel reaches a device or directory, and which timeouts stand on the way: of SCSI commands, of
 * iSCSI sessions, of FC remote ports, of NVMe controllers, of NFS mounts. Reads sysfs and /proc only.
 *
 * @param path as this process sees it
 */
export function storageFacts(hostRoot: string, path: string): StorageFacts {
  const stats = fs.statSync(path, { bigint: true });
  if (!stats.isBlockDevice()) return mountFacts(path);
  const major = ((stats.rdev >> 8n) & 0xfffn) | ((stats.rdev >> 32n) & ~0xfffn);
  const minor = (stats.rdev & 0xffn) | ((stats.rdev >> 12n) & ~0xffn);
  const directory = real(join(hostRoot, "sys/dev/block", `${major}:${minor}`));
  if (directory === null) return { name: path, paths: [], delays: [] };
  const name = textOf(join(directory, "dm/name")) ?? basename(directory);
  const disks = disksBelow(directory);
  const paths = disks.flatMap((disk) => pathsOfDisk(hostRoot, disk));
  return { name, paths, delays: disks.flatMap((disk) => delaysOf(hostRoot, disk)) };
}

/** The disks that a device mapper's device, or a partition, lies on. */
function disksBelow(directory: string): readonly string[] {
  const slaves = namesIn(join(directory, "slaves"));
  if (slaves.length > 0) {
    return slaves.flatMap((slave) => {
      const below = real(join(directory, "slaves", slave));
      return below === null ? [] : disksBelow(below);
    });
  }
  return fs.existsSync(join(directory, "partition")) ? [join(directory, "..")] : [directory];
}

/** A disk is a path; one of NVMe's own multipath has one for each controller of its subsystem. */
function pathsOfDisk(hostRoot: string, disk: string): readonly string[] {
  const controllers = namesIn(join(disk, "device")).filter((name) => /^nvme\d+$/.test(name));
  const subsystem = controllers.length === 0 ? null : join(hostRoot, "sys/class/nvme");
  return subsystem === null ? [basename(disk)] : controllers;
}

function delaysOf(hostRoot: string, disk: string): StorageDelay[] {
  const name = basename(disk);
  const sys = (...parts: readonly string[]): string => join(hostRoot, "sys", ...parts);
  const place = real(join(disk, "device")) ?? disk;
  const session = /\/(session\d+)\//.exec(place)?.[1];
  const port = /\/(rport-[\d:-]+)\//.exec(place)?.[1];
  const controllers = [
    ...namesIn(join(disk, "device")).filter((entry) => /^nvme\d+$/.test(entry)),
    ...(/^nvme\d+$/.test(basename(place)) ? [basename(place)] : []),
  ];
  const told: (readonly [setting: string, file: string])[] = [
    ["SCSI command timeout", join(disk, "device/timeout")],
    ...(session === undefined
      ? []
      : ([["iSCSI recovery_tmo", sys("class/iscsi_session", session, "recovery_tmo")]] as const)),
    ...(port === undefined
      ? []
      : ([
          ["FC fast_io_fail_tmo", sys("class/fc_remote_ports", port, "fast_io_fail_tmo")],
        ] as const)),
    ...(controllers.length === 0
      ? []
      : ([["NVMe io_timeout", sys("module/nvme_core/parameters/io_timeout")]] as const)),
    ...controllers.map(
      (controller) =>
        ["NVMe fast_io_fail_tmo", sys("class/nvme", controller, "fast_io_fail_tmo")] as const,
    ),
  ];
  return told.flatMap(([setting, file]) => {
    const seconds = numberOf(file);
    return seconds === null || seconds < 0 ? [] : [{ of: name, setting, seconds }];
  });
}

/** A lost NFS server is asked again only after `timeo`, in tenths of a second; man 5 nfs. */
function mountFacts(path: string): StorageFacts {
  const mounts = (textOf("/proc/self/mounts") ?? "").split("\n").map((line) => line.split(" "));
  const target = real(path) ?? path;
  const [source = path, , type = "", options = ""] =
    mounts
      .filter(([, at = ""]) => target === at || target.startsWith(at === "/" ? at : `${at}/`))
      .toSorted(([, a = ""], [, b = ""]) => b.length - a.length)[0] ?? [];
  const timeo = /(?:^|,)timeo=(\d+)/.exec(options)?.[1];
  const delays =
    timeo === undefined ? [] : [{ of: source, setting: "NFS timeo", seconds: Number(timeo) / 10 }];
  return { name: `${source} (${type})`, paths: [], delays };
}

function real(path: string): string | null {
  try {
    return fs.realpathSync(path);
  } catch {
    return null;
  }
}
