/**
 * Programs that stand in for an agent and for a node's work, so that the harness can be judged by
 * what is known of watchdogs and disks alone.
 */
import { guestTests } from "../initramfs.ts";
import type { GuestService, GuestWatchdog } from "../guest-settings.ts";

/** A page: for less, busybox's dd has no aligned buffer, and drops O_DIRECT without a word. */
export const blockBytes = 4096;

/** A watchdog of `seconds`, set by module parameter: whoever opens it need not. */
export function watchdogOf(
  driver: "i6300esb" | "softdog" | "iTCO_wdt",
  seconds: number,
  parameters: Readonly<Record<string, string>> = {},
): GuestWatchdog {
  const margin = driver === "softdog" ? "soft_margin" : "heartbeat";
  return { driver, parameters: { [margin]: String(seconds), ...parameters } };
}

/** Writes the block of that index on the workload disk every 100 ms, and is restarted in 1 s. */
export function workload(writer: string, block: number): GuestService {
  const program = `${guestTests}/guest/workload.js`;
  return {
    name: "work",
    argv: ["node", program, "/dev/workload", String(block), writer],
    environment: {},
    restartSeconds: 1,
  };
}

/** Pets every second from its start on. SIGTERM makes it write 'V' before it closes. */
export function petter(watchdogSeconds: number): GuestService {
  return {
    name: "pet",
    argv: ["watchdog", "-F", "-t", "1", "-T", String(watchdogSeconds), "/dev/watchdog"],
    environment: {},
    restartSeconds: "never",
  };
}

/** The console line by which `mortalPetter` dates its last pet. */
export const lastPetLine = /\[pet\] last pet/;

/** Pets for ten seconds, says so at the last one, and holds the watchdog open from then on. */
export function mortalPetter(): GuestService {
  const script =
    "exec 3>/dev/watchdog; for pet in 1 2 3 4 5 6 7 8 9; do printf . >&3; sleep 1; done; " +
    "printf . >&3; echo last pet; exec sleep 100000";
  return { name: "pet", argv: ["sh", "-c", script], environment: {}, restartSeconds: "never" };
}

/** Shell: writes `text` as the start of a 4096-byte block of the SBD disk, past the page cache. */
export function writeBlock(index: number, text: string): string {
  return (
    `{ printf %s '${text}'; cat /dev/zero; } | dd bs=${blockBytes} count=1 iflag=fullblock 2>/dev/null ` +
    `>/tmp/block.$$; dd if=/tmp/block.$$ of=/dev/sbd-watchdog bs=${blockBytes} seek=${index} oflag=direct ` +
    `conv=notrunc status=none; status=$?; rm /tmp/block.$$; exit $status`
  );
}

/** Shell: the text at the start of a 4096-byte block of the SBD disk, past the page cache. */
export function readBlock(index: number): string {
  return (
    `dd if=/dev/sbd-watchdog of=/tmp/block.$$ bs=${blockBytes} skip=${index} count=1 iflag=direct status=none ` +
    `|| exit 1; tr -d '\\000' </tmp/block.$$; rm /tmp/block.$$`
  );
}
