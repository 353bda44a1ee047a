import fs from "node:fs";

/**
 * Who can see what is stored under a path, by the kind of its filesystem (statfs(2), linux/magic.h).
 *
 * - `device`   a block device: what is behind it does not show
 * - `shared`   a filesystem of the network, or of a host for its virtual machines
 * - `local`    a filesystem that one machine has mounted
 * - `private`  memory, or a container's own layer: nobody else, and gone with it
 */
export type StorageReach = {
  readonly reach: "device" | "shared" | "local" | "private";
  /** Of the filesystem, or its magic number. */
  readonly name: string;
};

const PRIVATE: Readonly<Record<number, string>> = {
  0x01021994: "tmpfs",
  0x858458f6: "ramfs",
  0x794c7630: "overlayfs",
  0x61756673: "aufs",
  0x73717368: "squashfs",
};
const SHARED: Readonly<Record<number, string>> = {
  0x6969: "NFS",
  0x00c36400: "CephFS",
  0xff534d42: "CIFS",
  0xfe534d42: "SMB",
  0x01161970: "GFS2",
  0x7461636f: "OCFS2",
  0x65735546: "FUSE",
  0x0bd00bd0: "Lustre",
  0x47504653: "GPFS",
  0x19830326: "BeeGFS",
  0x01021997: "9p",
};
const LOCAL: Readonly<Record<number, string>> = {
  0xef53: "ext4",
  0x58465342: "xfs",
  0x9123683e: "btrfs",
  0x2fc12fc1: "zfs",
  0xf2f52010: "f2fs",
};

export function storageReach(path: string): StorageReach {
  const stats = fs.statSync(path, { throwIfNoEntry: false });
  // What is not there is left to the opening, which says so.
  if (stats === undefined || stats.isBlockDevice()) {
    return { reach: "device", name: "block device" };
  }
  // statfs tells some magics as negative numbers.
  const magic = fs.statfsSync(path).type >>> 0;
  const [isPrivate, isShared] = [PRIVATE[magic], SHARED[magic]];
  if (isPrivate !== undefined) {
    return { reach: "private", name: isPrivate };
  }
  return isShared === undefined
    ? { reach: "local", name: LOCAL[magic] ?? `filesystem 0x${magic.toString(16)}` }
    : { reach: "shared", name: isShared };
}
