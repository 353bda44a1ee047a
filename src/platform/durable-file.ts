import fs from "node:fs";
import { dirname } from "node:path";

import { asSystemError } from "./errno.ts";

/**
 * Replaces a file so that, whatever happens, it holds the old content or all of the new; the new one
 * is on stable storage when this returns.
 *
 * @throws SystemError
 */
export function writeDurably(path: string, content: string): void {
  try {
    const temporary = `${path}.new`;
    const fd = fs.openSync(temporary, "w", 0o600);
    try {
      fs.writeFileSync(fd, content);
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
    fs.renameSync(temporary, path);
    syncDirectory(dirname(path));
  } catch (error) {
    throw asSystemError(error, `Cannot write ${path}`);
  }
}

/** Makes durable which names a directory has. @throws an error of `node:fs` */
export function syncDirectory(path: string): void {
  const fd = fs.openSync(path, "r");
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}
