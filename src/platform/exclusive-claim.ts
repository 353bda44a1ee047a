import fs from "node:fs";

import { BlockDeviceError } from "./block-device-error.ts";
import { SystemError } from "./errno.ts";
import { native } from "./native.ts";

/**
 * Claims a block device for this process, until it ends. The kernel grants that to one holder, and to
 * none while the device or a part of it is mounted, swapped to, or taken by device mapper, RAID or
 * another claim; agents, which open it plainly, hold no claim. Nothing else than a block device can be
 * claimed, and there nothing is done.
 *
 * @throws BlockDeviceError `HELD`, `OPEN_FAILED`
 */
export function claimExclusively(path: string): void {
  if (fs.statSync(path, { throwIfNoEntry: false })?.isBlockDevice() !== true) {
    return;
  }
  const fd = native.open(path, fs.constants.O_RDONLY | fs.constants.O_EXCL, 0);
  if (fd >= 0) {
    return;
  }
  const cause = new SystemError(fd, `Cannot claim ${path}`);
  throw cause.code === "EBUSY"
    ? new BlockDeviceError(
        "HELD",
        `${path} is in use on this machine: it, or a part of it, is mounted, or belongs to device ` +
          `mapper, RAID or swap. What is on it would be destroyed under its user's hands. Find out with ` +
          `lsblk, and unmount or release it first.`,
        { cause },
      )
    : new BlockDeviceError("OPEN_FAILED", `${cause.message}. Check the storage and its path.`, {
        cause,
      });
}
