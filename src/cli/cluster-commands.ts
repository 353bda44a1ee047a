import type { Command } from "commander";

import { SYSTEM_NAMESPACE } from "../api/group.ts";
import { leafCommand, perform, type CommonOptions } from "./leaf-command.ts";
import { bootID, namespacedName, positiveSeconds } from "./option-values.ts";

type ConfirmOffFlags = CommonOptions & {
  readonly request?: string;
  readonly bootId?: string;
  readonly by?: string;
  readonly context?: string;
  readonly yes?: true;
  readonly wait?: number;
};

type FenceFlags = CommonOptions & {
  readonly namespace: string;
  readonly context?: string;
  readonly yes?: true;
  readonly wait: boolean;
};

type MustGatherFlags = CommonOptions & {
  readonly archive?: string;
  readonly directory?: string;
  readonly context?: string;
  readonly exec: boolean;
};

/** What is asked of a cluster rather than of a device or a machine. */
export function addClusterCommands(program: Command): void {
  leafCommand(
    program,
    "fence <node>",
    "ask the cluster to fence a node, and follow that to its end",
    "The node is reset and its pods are deleted, however well it is. Shows whether its watchdog is armed " +
      "and asks for its name. Refused for a node without a slot, and for one that is being fenced " +
      "already. Takes ClusterRoles sbd-view and sbd-ext-remediation. Exits as 'fencing --watch' does, " +
      "and its JSON is the same.",
  )
    .option("--namespace <name>", "where the SBDRemediation is made", SYSTEM_NAMESPACE)
    .option("--context <name>", "of the kubeconfig (default: its current one)")
    .option("--yes", "do not ask")
    .option("--no-wait", "make the request and end")
    .action(async (nodeName: string, flags: FenceFlags) => {
      const { namespace, wait } = flags;
      const { fenceNode } = await import("./fence.ts");
      await perform(flags, (terminal) =>
        fenceNode(
          {
            nodeName,
            namespace,
            wait,
            context: flags.context ?? null,
            yes: flags.yes === true,
          },
          terminal,
        ),
      );
    });

  leafCommand(
    program,
    "clear <node>",
    "take back the fencings that were asked for by hand",
    "Deletes the node's SBDRemediations, open and over, so that its message and its taints go. A node that " +
      "has read its message resets all the same. Refused for requests of NodeHealthCheck, which would make " +
      "them anew. Asks for the node's name. Takes ClusterRoles sbd-view and sbd-ext-remediation. JSON: " +
      "{node, deleted, gone, tainted}.",
  )
    .option("--context <name>", "of the kubeconfig (default: its current one)")
    .option("--yes", "do not ask")
    .option("--wait <seconds>", "wait so long for requests and taints to go", positiveSeconds)
    .action(async (nodeName: string, flags: ConfirmOffFlags) => {
      const { clearNode } = await import("./clear.ts");
      const options = {
        nodeName,
        context: flags.context ?? null,
        yes: flags.yes === true,
        waitSeconds: flags.wait ?? null,
      };
      await perform(flags, (terminal) => clearNode(options, terminal));
    });

  leafCommand(
    program,
    "must-gather",
    "collect what somebody who was not there needs, in one archive",
    "Objects, events, logs, versions, and from the agents' pods what they see of watchdog and device. Secrets " +
      "are neither asked for nor kept: values of variables and fields that are named so, tokens and keys in " +
      "logs. What could not be had is listed in missing.txt. Takes the rights of a cluster administrator. JSON: " +
      "{path, files, missing}.",
  )
    .option("--archive <path>", "where it is written (default: sbd-must-gather-<time>.tar.gz)")
    .option("--directory <path>", "write files there instead, as 'oc adm must-gather' expects")
    .option("--no-exec", "run nothing in the agents' pods")
    .option("--context <name>", "of the kubeconfig (default: its current one)")
    .action(async (flags: MustGatherFlags) => {
      const { mustGather } = await import("./must-gather.ts");
      const options = {
        archive: flags.archive ?? null,
        directory: flags.directory ?? null,
        context: flags.context ?? null,
        askPods: flags.exec,
      };
      await perform(flags, (terminal) => mustGather(options, terminal));
    });

  leafCommand(
    program,
    "confirm-off <node>",
    "say that a node's boot is off, for an open SBDRemediation",
    "For a node that nothing else proves dead. Shows what is confirmed and asks for the node's name; " +
      "counts for that request and that boot only, and is recorded with who and when. Refused for a " +
      "node that lives as far as the cluster knows. Finds the cluster as kubectl does; takes ClusterRole " +
      "sbd-confirm-off. JSON: {nodeName, request, boots, confirmation, evidence}; evidence is null " +
      "without --wait.",
  )
    .option(
      "--request <namespace/name>",
      "the SBDRemediation, where several are open",
      namespacedName,
    )
    .option("--boot-id <id>", "the boot, where the cluster has told several", bootID)
    .option("--by <person>", "who you are, where the account is shared")
    .option("--context <name>", "of the kubeconfig (default: its current one)")
    .option("--yes", "do not ask")
    .option("--wait <seconds>", "wait so long for FencingSucceeded", positiveSeconds)
    .action(async (nodeName: string, flags: ConfirmOffFlags) => {
      const options = {
        nodeName,
        request: flags.request ?? null,
        bootID: flags.bootId ?? null,
        by: flags.by ?? null,
        context: flags.context ?? null,
        yes: flags.yes === true,
        waitSeconds: flags.wait ?? null,
      };
      // The Kubernetes client costs 0.3 s to load, and nothing else needs it.
      const { confirmOff } = await import("./confirm-off.ts");
      await perform(flags, (terminal) => confirmOff(options, terminal));
    });
}
