import { fieldAt, textAt } from "../kube/kube-object.ts";
import type { Cluster, DemoNode } from "./cluster.ts";
import type { Stage } from "./run.ts";

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
    show(cluster) {
      const lines = picture(cluster);
      erase();
      out.write(lines.map((line) => `${line}\n`).join(""));
      drawnLines = lines.length;
    },
  };
}

const COLUMNS = [
  ["node", 10],
  ["machine", 18],
  ["slot", 6],
  ["agent", 10],
  ["watchdog", 10],
  ["pets", 7],
  ["taints", 12],
] as const;

function picture(cluster: Cluster): string[] {
  const head = COLUMNS.map(([title, width]) => title.padEnd(width)).join("");
  const lastLine = cluster.lines().at(-1);
  return [
    "",
    `${BOLD}${head}workload${PLAIN}`,
    ...cluster.nodes.map((node) => row(cluster, node, lastLine)),
  ];
}

function row(
  { kubernetes }: Cluster,
  { name, machine }: DemoNode,
  lastLine: { readonly bootID: string; readonly n: number } | undefined,
): string {
  const { objects } = kubernetes.server;
  const sbdNode = objects
    .list("sbdnodes.medik8s.io")
    .find((node) => textAt(node, "spec", "nodeName") === name);
  const taints = (fieldAt(objects.get("nodes", name), "spec", "taints") ??
    []) as readonly unknown[];
  const up = machine.isUp;
  const cells = [
    name,
    up ? `up, boot ${machine.bootID.slice(0, 8)}` : "DOWN",
    slotOf(sbdNode),
    agentOf(sbdNode),
    up ? (machine.watchdogState.active ? "ticking" : "stopped") : "",
    up ? String(machine.petCount) : "",
    taints.map((taint) => textAt(taint, "effect")).join(","),
  ];
  const text = cells.map((cell, index) => cell.padEnd(COLUMNS[index]?.[1] ?? 0)).join("");
  const writes = lastLine?.bootID === machine.bootID ? `writing line ${lastLine.n}` : "";
  return `${up ? GREEN : RED}${text}${PLAIN}${writes}`;
}

function slotOf(sbdNode: unknown): string {
  const nodeID = fieldAt(sbdNode, "spec", "nodeID");
  return typeof nodeID === "number" ? String(nodeID) : "";
}

/** As the API knows it: of a node that is cut off, what was last heard. */
function agentOf(sbdNode: unknown): string {
  if (fieldAt(sbdNode, "status", "fenced") === true) {
    return "fenced";
  }
  return fieldAt(sbdNode, "status", "armed") === true ? "armed" : "unarmed";
}

function stamp(sinceRequestMs: number | null): string {
  return sinceRequestMs === null
    ? " ".repeat(10)
    : `${(sinceRequestMs / 1_000).toFixed(3).padStart(8)} s`;
}
