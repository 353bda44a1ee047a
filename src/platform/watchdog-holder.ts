import fs from "node:fs";
import { basename, join } from "node:path";

/** A process that has a watchdog open. */
export type WatchdogHolder = { readonly pid: number; readonly command: string };

/**
 * `watchdog0` for /dev/watchdog and /dev/watchdog0 alike, which the kernel makes the same device;
 * null for a name that is no watchdog's.
 */
export function watchdogName(path: string): string | null {
  const name = basename(path);
  if (name === "watchdog") return "watchdog0";
  return /^watchdog\d+$/.test(name) ? name : null;
}

/**
 * Who holds a watchdog, this process excepted, or null where nobody is seen to. `name` is
 * `watchdog0` and so on. Reads links under /proc only and touches no file they lead to, since those
 * may be on storage that hangs.
 */
export function findWatchdogHolder(name: string, hostRoot = "/"): WatchdogHolder | null {
  const proc = join(hostRoot, "proc");
  for (const entry of listDirectory(proc)) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    if (holds(join(proc, entry, "fd"), name)) return { pid, command: commandOf(join(proc, entry)) };
  }
  return null;
}

function holds(fdDirectory: string, name: string): boolean {
  return listDirectory(fdDirectory).some((fd) => {
    try {
      const target = fs.readlinkSync(join(fdDirectory, fd));
      return target.startsWith("/dev/") && watchdogName(target) === name;
    } catch {
      return false; // The process has closed it meanwhile.
    }
  });
}

/** Processes come and go, and some are not ours to see: neither is an error here. */
function listDirectory(path: string): string[] {
  try {
    return fs.readdirSync(path);
  } catch {
    return [];
  }
}

function commandOf(processDirectory: string): string {
  try {
    return fs.readFileSync(join(processDirectory, "comm"), "utf8").trim();
  } catch {
    return "unknown";
  }
}
