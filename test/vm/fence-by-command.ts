import { spawn } from "node:child_process";
import { join } from "node:path";
import type { Cluster } from "./cluster.ts";
import { eachLine } from "./each-line.ts";
import type { Declared, Ordered } from "./fencing.ts";
import { monoMs } from "./monotonic.ts";

/**
 * Runs `sbdctl device fence` on this machine, on the disk's image: a real fencer that has no cluster,
 * so that it takes only Rebooted and Acknowledged for proof. It is killed when the cluster stops.
 */
export function fenceByCommand(cluster: Cluster, nodeName: string): Ordered {
  const sbdctl = join(import.meta.dirname, "../../bin/sbdctl");
  const command = spawn(
    "setpriv",
    `--pdeathsig KILL ${sbdctl} device fence ${nodeName}`
      .split(" ")
      .concat("--device", cluster.sbdDisk.path, "--yes", "--wait", "400", "-o", "json"),
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  const complaints: string[] = [];
  const confirmed = new Promise<number>((resolve) => {
    eachLine(command.stderr, (line) => {
      complaints.push(line);
      if (line.startsWith("message durable") || line.startsWith("acknowledged")) resolve(monoMs());
    });
  });
  cluster.onStop(() => {
    command.kill("SIGKILL");
  });
  let known: Declared | undefined;
  const declared = new Promise<Declared>((resolve, reject) => {
    eachLine(command.stdout, (line) => {
      const atMs = monoMs();
      const { evidence } = JSON.parse(line) as {
        readonly evidence?: { readonly kind: string; readonly detail: string } | null;
      };
      if (evidence === undefined || evidence === null) return;
      known = { atMs, kind: evidence.kind, detail: evidence.detail };
      resolve(known);
    });
    command.once("exit", (code) => {
      // The answer's line may still be in the pipe.
      if (code !== 0) reject(new Error(`sbdctl ended with ${code}: ${complaints.join("\n")}`));
    });
  });
  declared.catch(() => undefined);
  return { confirmed, declared, declaredYet: () => known };
}
