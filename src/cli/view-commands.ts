import type { Command } from "commander";

import { leafCommand, perform, type CommonOptions } from "./leaf-command.ts";

type ViewFlags = CommonOptions & { readonly watch?: true; readonly context?: string };
const CONTEXT = ["--context <name>", "of the kubeconfig (default: its current one)"] as const;

/** `status`, `nodes`, `fencing`, `report` and `verify`. The Kubernetes client costs 0.3 s, so each loads what it needs. */
export function addViewCommands(program: Command): void {
  leafCommand(
    program,
    "status",
    "show who is protected, who is being fenced, and what to do where something is wrong",
    "JSON: {time, protected, nodes, configs, requests, leader}. A node has {node, slot, config, state, " +
      "lastPassAgeMs, passLatencyMs, watchdog, seenBy, peers, pods, ready, todo}; state is protected, " +
      "silent, unarmed, detect-only, leaving, fenced or no-agent. A request has {namespace, name, node, " +
      "phase, fencer, state, evidence, message, messageDurableTime, earliestBoundedTime}. A config has " +
      "{name, ready, message, timeoutSeconds, watchdogSeconds, boundSeconds, deviceUUID, deviceClaim}.",
  )
    .option("--watch", "look again each second until Ctrl-C")
    .option(...CONTEXT)
    .action(async (flags: ViewFlags) => {
      const { showStatus } = await import("./status.ts");
      const options = { watch: flags.watch === true, context: flags.context ?? null };
      await perform(flags, (terminal) => showStatus(options, terminal));
    });

  leafCommand(
    program,
    "nodes",
    "list all nodes of the cluster, with what their agents tell and how they were last fenced",
    "Also the nodes that no SBDConfig covers, where you may list Nodes. JSON: {time, nodes}; a node has " +
      "{node, slot, config, state, ready, bootID, machineID, deviceUUID, watchdog, agentVersion, " +
      "lastPassAgeMs, lastFencing, todo}; state is one of those of 'status', or uncovered; watchdog has " +
      "{identity, driver, timeoutSeconds, effectiveTimeoutSeconds, verified}, lastFencing {outcome, " +
      "evidence, time}; null where unknown.",
  )
    .option(...CONTEXT)
    .action(async (flags: ViewFlags) => {
      const { showNodes } = await import("./nodes.ts");
      await perform(flags, (terminal) => showNodes({ context: flags.context ?? null }, terminal));
    });

  leafCommand(
    program,
    "fencing <node-or-request>",
    "show what a fencing still waits for, as a check list",
    "With --watch it ends with the request: 0 when its work is released, 3 when it has failed. JSON: " +
      "{time, request, node, phase, outcome, message, fencer, state, epoch, bootID, messageDurableTime, " +
      "boundSeconds, earliestBoundedTime, deviceReadAgeMs, unfencable, rows, proof}; outcome is open, " +
      "proven, released or failed; a row has {evidence, met, unmet}, and what is unmet {code, detail, " +
      "earliestTime, earliest, reading, remedy}.",
  )
    .option("--watch", "look again each second until it is over")
    .option(...CONTEXT)
    .action(async (about: string, flags: ViewFlags) => {
      const { showFencing } = await import("./fencing-show.ts");
      const options = { about, watch: flags.watch === true, context: flags.context ?? null };
      await perform(flags, (terminal) => showFencing(options, terminal));
    });

  leafCommand(
    program,
    "report <node-or-request>",
    "report a fencing after the fact: why there were never two writers",
    "Of a node the last one that was proven or has failed; also when the request is long gone. JSON: " +
      "{format, sbdctlVersion, node, nodeID, config, fencing, conclusion, arithmetic, timeline, " +
      "observations, digest}, in the one form that 'sbdctl verify' takes.",
    ["text", "md", "json", "svg"],
  )
    .option(...CONTEXT)
    .action(async (about: string, flags: ViewFlags) => {
      const { REPORT_FORMATS, showReport } = await import("./report.ts");
      const format = REPORT_FORMATS.find((known) => known === flags.output) ?? "text";
      const options = { about, format, context: flags.context ?? null };
      await perform(flags, (terminal) => showReport(options, terminal));
    });

  leafCommand(
    program,
    "verify <report.json>",
    "judge a report's observations again, and say whether its claim follows from them",
    "Replays what the fencer had read through the judge that fencers have; needs no cluster. Exits with 3 " +
      "where the proof does not follow, or a byte of the report was changed. - is standard input. JSON: " +
      "{verified, sentence}.",
  ).action(async (path: string, flags: CommonOptions) => {
    const { verifyFile } = await import("./report.ts");
    await perform(flags, async (terminal) => verifyFile(path, terminal));
  });
}
