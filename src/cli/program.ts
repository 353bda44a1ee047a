import { Command, Option } from "commander";

import type { OnStorageLoss } from "../protocol/device-header.ts";
import { addClusterCommands } from "./cluster-commands.ts";
import { addFenceCommands } from "./fence-commands.ts";
import { EXIT_CODE_HELP } from "./exit-code.ts";
import { initDevice } from "./device-init.ts";
import { showDevice } from "./device-show.ts";
import { leafCommand, perform, type CommonOptions } from "./leaf-command.ts";
import { positiveSeconds, wholeNumber } from "./option-values.ts";
import { VERSION } from "../program/version.ts";
import { addWatchdogCommands } from "./watchdog-commands.ts";

/** The whole command line. Throws what commander and the commands throw; exits nowhere. */
export function createProgram(): Command {
  const program = new Command("sbdctl")
    .description(
      "Initialises, shows and uses the shared device of storage-based death, looks at watchdogs, and " +
        "tells the cluster what only a person can know.",
    )
    .addHelpText("after", EXIT_CODE_HELP)
    .version(VERSION)
    .exitOverride();
  const device = program
    .command("device")
    .description("the shared device: init, show, fence, clear")
    .addHelpText("after", EXIT_CODE_HELP);
  addInit(device);
  addShow(device);
  addFenceCommands(device);
  addWatchdogCommands(
    program
      .command("watchdog")
      .description("the watchdogs of this machine: show, test")
      .addHelpText("after", EXIT_CODE_HELP),
  );
  addClusterCommands(program);
  return program;
}

type InitFlags = CommonOptions & {
  readonly timeoutSeconds: number;
  readonly watchdogTimeoutSeconds?: number;
  readonly onStorageLoss: OnStorageLoss;
  readonly cluster: string;
  readonly force?: true;
};

function addInit(device: Command): void {
  leafCommand(
    device,
    "init <path>",
    "lay out a device and write the timing contract into its header",
    "PATH is a block device, a regular file of at least 2 MiB, or a directory of a shared " +
      "filesystem (sbd-device and sbd-device-fence are created there). Refused without --force: " +
      "a device with foreign data, one that is initialised already, one that somebody writes to. " +
      "JSON: {path, header, timing}, times in ms.",
  )
    .requiredOption(
      "--timeout-seconds <n>",
      "T: how long a node lives without a good pass",
      wholeNumber(0, 1_000_000),
    )
    .option(
      "--watchdog-timeout-seconds <n>",
      "W: the longest the watchdogs may take (default: half of T)",
      wholeNumber(0, 1_000_000),
    )
    .addOption(
      new Option("--on-storage-loss <what>", "what a node does that loses the device")
        .choices(["SelfFence", "SurviveWithApi"])
        .default("SelfFence"),
    )
    .option("--cluster <name>", "the cluster's name, for people", "")
    .option("--force", "write over whatever is there; says what that is")
    .action(async (path: string, flags: InitFlags) => {
      const options = {
        path,
        timeoutSeconds: flags.timeoutSeconds,
        watchdogTimeoutSeconds: flags.watchdogTimeoutSeconds ?? null,
        onStorageLoss: flags.onStorageLoss,
        clusterName: flags.cluster,
        force: flags.force === true,
      };
      await perform(flags, (terminal) => initDevice(options, terminal));
    });
}

function addShow(device: Command): void {
  leafCommand(
    device,
    "show <path>",
    "show header, heartbeats and fence messages of a device",
    "JSON: {header, slots, fences, unreadable}; header is null where there is none. timestampNs and " +
      "createdNs are strings, and so is a sequence beyond 2^53. state is armed, unarmed, detect-only, " +
      "leaving, fenced or bare (of a Go agent; nodeName and bootId are null). With --watch each slot " +
      "has moved.",
  )
    .option("--watch <seconds>", "look twice, so far apart, and tell which move", positiveSeconds)
    .action(async (path: string, flags: CommonOptions & { readonly watch?: number }) => {
      const options = { path, watchSeconds: flags.watch ?? null };
      await perform(flags, (terminal) => showDevice(options, terminal));
    });
}
