/**
 * What a node does for a living, as far as this harness is concerned: every 100 ms it writes one
 * numbered line with its boot ID into a 4096-byte block of the disk "workload". The host sees each
 * of them arrive, so the last one dates the end of this boot's work to a tenth of a second.
 *
 * Arguments: the device, the block's index, the writer's name.
 */
import { constants, openSync, readFileSync, writeSync } from "node:fs";
import { workloadBlock, workloadBlockBytes } from "../workload-line.ts";

const [device = "/dev/workload", index = "0", writer = "unnamed"] = process.argv.slice(2);
const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
const disk = openSync(device, constants.O_WRONLY | constants.O_DSYNC);
let sequence = 0;
let misses = 0;

console.log(`working on block ${index} of ${device}`);
setInterval(() => {
  sequence += 1;
  try {
    const block = workloadBlock({ writer, bootId, sequence });
    writeSync(disk, block, 0, block.length, Number(index) * workloadBlockBytes);
    misses = 0;
  } catch (error) {
    if (misses === 0) console.log(`cannot write: ${String(error)}`);
    misses += 1;
  }
}, 100);
