import { Option, type Command } from "commander";

import {
  FENCE_REASON_NONE,
  getFenceReasonName,
  isValidFenceReason,
} from "../protocol/fence-reason.ts";
import { clearMessage } from "./device-clear.ts";
import { fenceNode } from "./device-fence.ts";
import { leafCommand, perform, type CommonOptions } from "./leaf-command.ts";
import { clusterOption, positiveSeconds } from "./option-values.ts";

/** Names of the reasons there are, by their code; `NONE` clears and is no reason to fence. */
const REASONS: ReadonlyMap<string, number> = new Map(
  Array.from({ length: 256 }, (_, code) => code)
    .filter((code) => isValidFenceReason(code) && code !== FENCE_REASON_NONE)
    .map((code) => [getFenceReasonName(code), code]),
);

type FenceFlags = CommonOptions & {
  readonly device: string;
  readonly clusterUid?: string;
  readonly reason: string;
  readonly yes?: true;
  readonly wait?: number;
};

type ClearFlags = CommonOptions & {
  readonly device: string;
  readonly clusterUid?: string;
  readonly yes?: true;
  readonly force?: true;
};

/** `device fence` and `device clear`. */
export function addFenceCommands(device: Command): void {
  leafCommand(
    device,
    "fence <node>",
    "order a node dead and wait for the proof, without a cluster",
    "NODE is a node name or a node ID. Asks for the node's name first. Exits with 0 when the death " +
      "is proven and with 3 when it is not: the message stands then, and the node counts as running. " +
      "Without the API only Rebooted and Acknowledged can prove a death. A device of another cluster than " +
      "the one that can be reached is refused.",
  )
    .addOption(deviceOption())
    .addOption(clusterOption())
    .addOption(
      new Option("--reason <reason>", "what the message says")
        .choices([...REASONS.keys()])
        .default("MANUAL"),
    )
    .option("--yes", "do not ask")
    .option("--wait <seconds>", "how long to wait (default: M and a margin)", positiveSeconds)
    .action(async (node: string, flags: FenceFlags) => {
      const options = {
        node,
        path: flags.device,
        clusterUID: flags.clusterUid ?? null,
        reason: REASONS.get(flags.reason) ?? FENCE_REASON_NONE,
        yes: flags.yes === true,
        waitSeconds: flags.wait ?? null,
      };
      await perform(flags, (terminal) => fenceNode(options, terminal));
    });

  leafCommand(
    device,
    "clear <node>",
    "clear a node's fence message",
    "Refused without --force while the boot that the message is addressed to is the last one in the " +
      "node's slot: it may be running. A device of another cluster than the one that can be reached is " +
      "refused.",
  )
    .addOption(deviceOption())
    .addOption(clusterOption())
    .option("--yes", "do not ask")
    .option("--force", "also where the addressed boot may be running")
    .action(async (node: string, flags: ClearFlags) => {
      const options = {
        node,
        path: flags.device,
        clusterUID: flags.clusterUid ?? null,
        yes: flags.yes === true,
        force: flags.force === true,
      };
      await perform(flags, (terminal) => clearMessage(options, terminal));
    });
}

function deviceOption(): Option {
  return new Option("--device <path>", "the shared device or directory")
    .env("SBD_DEVICE_PATH")
    .makeOptionMandatory();
}
