import type { Cluster, DemoNode } from "./cluster.ts";
import type { ControlPlane } from "./control-plane.ts";
import type { Stage } from "./run.ts";

const REDRAW_EVERY_MS = 100;
const BOLD = "\u001b[1m";
const RED = "\u001b[31m";
const GREEN = "\u001b[32m";
const DIM = "\u001b[2m";
const PLAIN = "\u001b[0m";

/** Timeline lines, one event each. */
export function plainStage(out: NodeJS.WriteStream): Stage {
  return {
    say: (text, sinceRequestMs) => void out.write(`${stamp(sinceRequestMs)}  ${text}\n`),
    show: () => undefined,
  };
}

/** The same lines, with the nodes drawn below them and kept current. */
export function terminalStage(out: NodeJS.WriteStream): Stage {
  let drawnLines = 0;
  let drawnMs = 0;
  const erase = (): void => {
    if (drawnLines > 0) {
      out.write(`\u001b[${drawnLines}A\u001b[0J`);
      drawnLines = 0;
    }
  };
  return {
    say(text, sinceRequestMs) {
      erase();
      out.write(`${DIM}${stamp(sinceRequestMs)}${PLAIN}  ${text}\n`);
    },
    show(cluster, controlPlane) {
      const nowMs = performance.now();
      if (nowMs - drawnMs < REDRAW_EVERY_MS) {
        return;
      }
      drawnMs = nowMs;
      const lines = picture(cluster, controlPlane);
      erase();
      out.write(lines.map((line) => `${line}\n`).join(""));
      drawnLines = lines.length;
    },
  };
}

function picture(cluster: Cluster, controlPlane: ControlPlane): string[] {
  const head = `${"node".padEnd(10)}${"machine".padEnd(18)}${"agent".padEnd(11)}${"watchdog".padEnd(
    10,
  )}${"pets".padStart(6)}  ${"last good pass".padEnd(16)}workload`;
  const lastLine = cluster.lines().at(-1);
  return [
    "",
    `${BOLD}${head}${PLAIN}`,
    ...cluster.nodes.map((node) => row(node, controlPlane, lastLine)),
  ];
}

function row(
  { name, machine }: DemoNode,
  controlPlane: ControlPlane,
  lastLine: { readonly node: string; readonly n: number } | undefined,
): string {
  const status = controlPlane.status(name);
  const up = machine.isUp;
  const boot = up ? `up, boot ${machine.bootID.slice(0, 8)}` : "DOWN";
  const age = status?.lastGoodPassAgeMs ?? null;
  const writes = lastLine?.node === name ? `writing line ${lastLine.n}` : "";
  const colour = up ? (status === null ? DIM : GREEN) : RED;
  return (
    name.padEnd(10) +
    colour +
    boot.padEnd(18) +
    PLAIN +
    (status?.life ?? "(silent)").padEnd(11) +
    (up ? (machine.watchdogState.active ? "ticking" : "stopped") : "").padEnd(10) +
    String(up ? machine.petCount : "").padStart(6) +
    `  ${(age === null ? "" : `${(age / 1_000).toFixed(1)} s ago`).padEnd(16)}` +
    writes
  );
}

function stamp(sinceRequestMs: number | null): string {
  return sinceRequestMs === null
    ? " ".repeat(10)
    : `${(sinceRequestMs / 1_000).toFixed(3).padStart(8)} s`;
}
