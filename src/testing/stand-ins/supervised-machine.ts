/**
 * A supervisor to be killed: boots one virtual node with two processes in the directory given, and
 * prints one JSON line with their process IDs.
 */
import { createVirtualNode } from "../virtual-node.ts";

const [directory = ""] = process.argv.slice(2);
const node = createVirtualNode({
  name: "worker-1",
  machineID: "0".repeat(31) + "1",
  directory,
  commands: () => [
    { name: "agent", argv: ["sleep", "1000"], restart: "always" },
    // Forks, and ignores what can be ignored: only SIGKILL to the group ends it.
    { name: "workload", argv: ["sh", "-c", "trap '' TERM HUP; sleep 1000"], restart: "always" },
  ],
});
node.boot();
for (const name of ["agent", "workload"]) {
  await node.waitFor((event) => event.kind === "start" && event.name === name, 10_000);
}
process.stdout.write(`${JSON.stringify([node.pid("agent"), node.pid("workload")])}\n`);
