import type { Command } from "commander";

import { SYSTEM_NAMESPACE } from "../api/group.ts";
import { CliError } from "./cli-error.ts";
import { leafCommand, perform, type CommonOptions } from "./leaf-command.ts";
import { positiveSeconds } from "./option-values.ts";

type DrillFlags = CommonOptions & {
  readonly all?: true;
  readonly oneByOne?: true;
  readonly dryRun?: true;
  readonly drain?: true;
  readonly drainTimeout: number;
  readonly backTimeout: number;
  readonly reportDir: string;
  readonly namespace: string;
  readonly context?: string;
  readonly yes?: true;
};

/** `drill`: a rehearsal. */
export function addDrillCommand(program: Command): void {
  leafCommand(
    program,
    "drill [node]",
    "rehearse a fencing on the live cluster, time it, and write its report",
    "The node is fenced for real, and brought back: its request is deleted once it is Ready and armed in its " +
      "next boot. Refused while anything would hinder the fencing, and where the other nodes have no room for " +
      "its pods. --all --one-by-one does so with every node that has a slot, and stops at the first that " +
      "fails. --dry-run fences nobody, and fails where it finds something. JSON: {drills}, with --dry-run " +
      "{checks}; a drill has {node, request, evidence, requestToMessageMs, messageToProofMs, " +
      "proofToReleaseMs, requestToBackMs, boundMs, withinBound, report}, a check {node, hindrances}, and a " +
      "hindrance {code, text, remedy}.",
  )
    .option("--all", "every node that has a slot; with --one-by-one")
    .option("--one-by-one", "one after the other, each only when the one before is back")
    .option("--dry-run", "only say what would hinder a fencing today")
    .option("--drain", "cordon and drain the node before, uncordon it afterwards")
    .option("--drain-timeout <seconds>", "how long a drain may take", positiveSeconds, 600)
    .option("--back-timeout <seconds>", "how long a node may take to be back", positiveSeconds, 900)
    .option("--report-dir <path>", "where the reports are written", ".")
    .option("--namespace <name>", "where the SBDRemediations are made", SYSTEM_NAMESPACE)
    .option("--context <name>", "of the kubeconfig (default: its current one)")
    .option("--yes", "do not ask")
    .action(async (node: string | undefined, flags: DrillFlags) => {
      const { drill } = await import("./drill.ts");
      await perform(flags, (terminal) =>
        drill(
          {
            nodeName: nodeOf(node, flags),
            namespace: flags.namespace,
            context: flags.context ?? null,
            yes: flags.yes === true,
            dryRun: flags.dryRun === true,
            drain: flags.drain === true,
            drainSeconds: flags.drainTimeout,
            backSeconds: flags.backTimeout,
            reportDirectory: flags.reportDir,
          },
          terminal,
        ),
      );
    });
}

/** Null: all of them. */
function nodeOf(node: string | undefined, { all, oneByOne, dryRun }: DrillFlags): string | null {
  if (node !== undefined && all === undefined) return node;
  if (node === undefined && all === true && (oneByOne === true || dryRun === true)) return null;
  throw new CliError("USAGE", "Name one node, or say --all --one-by-one.");
}
