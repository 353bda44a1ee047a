/**
 * What an agent does with its watchdog, without its reasons: opens it, sets the timeout (0: does
 * not), says in one JSON line what the driver answers, and pets it every 100 ms.
 *
 *     node watchdog-holder.ts <watchdog> <timeout in seconds>
 *
 * SIGUSR1: pets no more. SIGUSR2: writes 'V', closes, and goes on living. Killed by anything else.
 */
import { constants } from "node:fs";
import { native } from "../../platform/native.ts";

const PET_MS = 100;

const [path = "", timeout = "0"] = process.argv.slice(2);
const fd = native.open(path, constants.O_WRONLY, 0);
if (fd < 0) {
  process.stdout.write(`${JSON.stringify({ open: fd })}\n`);
  process.exit(1);
}
const set = timeout === "0" ? null : native.watchdogSetTimeout(fd, Number(timeout));
process.stdout.write(
  `${JSON.stringify({
    open: 0,
    set,
    refused: native.watchdogSetTimeout(fd, 100_000),
    timeout: native.watchdogGetTimeout(fd),
    left: native.watchdogGetTimeleft(fd),
    bootStatus: native.watchdogGetBootStatus(fd),
    support: native.watchdogGetSupport(fd),
  })}\n`,
);
const pets = setInterval(() => native.writeByte(fd, 0x2e), PET_MS);
process.on("SIGUSR1", () => clearInterval(pets));
process.on("SIGUSR2", () => {
  clearInterval(pets);
  native.writeByte(fd, 0x56);
  native.close(fd);
});
setInterval(() => {}, 60_000);
