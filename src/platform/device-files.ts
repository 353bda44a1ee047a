import { randomUUID } from "node:crypto";
import fs from "node:fs";
import { join } from "node:path";

import { FENCE_FILE_NAME, HEARTBEAT_FILE_NAME, REGION_SIZE_BYTES } from "../protocol/layout.ts";
import { syncDirectory } from "./durable-file.ts";
import { asSystemError } from "./errno.ts";

/**
 * Creates what is missing of `sbd-device` and `sbd-device-fence` in a directory of a shared
 * filesystem, filled with zeroes. A file that exists, of whatever size, is left as it is. Returns
 * the names of those it created, durable.
 *
 * @throws SystemError
 */
export function createDeviceFiles(directory: string): string[] {
  const created = [HEARTBEAT_FILE_NAME, FENCE_FILE_NAME].filter((name) =>
    createZeroed(join(directory, name)),
  );
  if (created.length > 0) syncDirectory(directory);
  return created;
}

/** Written in full under another name first: nobody may see, and refuse, a file half as long. */
function createZeroed(path: string): boolean {
  if (fs.existsSync(path)) return false;
  const temporary = `${path}.new-${randomUUID()}`;
  try {
    const fd = fs.openSync(temporary, "wx", 0o600);
    try {
      fs.writeFileSync(fd, new Uint8Array(REGION_SIZE_BYTES));
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
    // Unlike rename, link fails where the file exists: another node may have been faster.
    fs.linkSync(temporary, path);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw asSystemError(error, `Cannot create ${path}`);
  } finally {
    fs.rmSync(temporary, { force: true });
  }
}
