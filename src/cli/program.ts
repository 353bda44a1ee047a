import { Command, Option } from "commander";

import { VERSION } from "../program/version.ts";
import type { OnStorageLoss } from "../protocol/device-header.ts";
import { CliError } from "./cli-error.ts";
import { addClusterCommands } from "./cluster-commands.ts";
import { addFenceCommands } from "./fence-commands.ts";
import { addDrillCommand } from "./drill-commands.ts";
import { EXIT_CODE_HELP } from "./exit-code.ts";
import { addHostCommands } from "./host-commands.ts";
import { benchDevice } from "./device-bench.ts";
import { initDevice } from "./device-init.ts";
import type { ClusterClaim } from "./device-refusals.ts";
import { withResultFile } from "./result-file.ts";
import { showDevice } from "./device-show.ts";
import { leafCommand, perform, type CommonOptions } from "./leaf-command.ts";
import {
  clusterOption,
  positiveSeconds,
  objectUID,
  uidList,
  wholeNumber,
} from "./option-values.ts";
import { addShellCommands } from "./shell-commands.ts";
import { addViewCommands } from "./view-commands.ts";
import { addWatchdogCommands } from "./watchdog-commands.ts";

/**
 * The whole command line. Throws what commander and the commands throw; exits nowhere.
 *
 * @param name as it was called: sbdctl, or `kubectl sbd`
 */
export function createProgram(name: string): Command {
  const program = new Command(name)
    .description(
      "Shows who is protected and who is being fenced, reports afterwards why there were never two " +
        "writers, looks after the shared device and the watchdogs, and tells the cluster what only a " +
        "person can know.",
    )
    .version(VERSION, "-V, --version", "print the version of this program")
    .addHelpText("after", EXIT_CODE_HELP)
    .enablePositionalOptions()
    .exitOverride();
  const device = program
    .command("device")
    .description("the shared device: init, show, bench, fence, clear")
    .addHelpText("after", EXIT_CODE_HELP);
  addInit(device);
  addShow(device);
  addBench(device);
  addFenceCommands(device);
  addWatchdogCommands(
    program
      .command("watchdog")
      .description("the watchdogs of this machine: show, test")
      .addHelpText("after", EXIT_CODE_HELP),
  );
  addViewCommands(program);
  addClusterCommands(program);
  addDrillCommand(program);
  addHostCommands(program);
  addShellCommands(program);
  return program;
}

type InitFlags = CommonOptions & {
  readonly timeoutSeconds: number;
  readonly watchdogTimeoutSeconds?: number;
  readonly onStorageLoss: OnStorageLoss;
  readonly cluster: string;
  readonly force?: true;
  readonly yes?: true;
  readonly localStorage?: true;
  readonly configUid?: string;
  readonly clusterUid?: string;
  readonly livingConfigUids?: readonly string[];
  readonly resultFile?: string;
};

function addInit(device: Command): void {
  leafCommand(
    device,
    "init <path>",
    "lay out a device and write the timing contract into its header",
    "PATH is a block device, a regular file of at least 2 MiB, or a directory of a shared " +
      "filesystem (sbd-device and sbd-device-fence are created there). Refused without --force: " +
      "a device with foreign data, one that is initialised already, one that somebody writes to. " +
      "Refused in any case: a mounted or otherwise held device, storage that no other machine sees. " +
      "With --config-uid and --cluster-uid the device of that SBDConfig is left as it is. " +
      "JSON: {path, outcome, header, timing}, times in ms; outcome is initialised or kept.",
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
    .option("--force", "write over whatever is there; says what that is and asks for PATH")
    .option("--yes", "ask nothing: a program has made sure of it")
    .option("--local-storage", "no other machine needs to see it: for demonstrations and tests")
    .option("--config-uid <uid>", "UID of the SBDConfig it is for; with --cluster-uid", objectUID)
    .option("--cluster-uid <uid>", "UID of that cluster's namespace kube-system", objectUID)
    .option(
      "--living-config-uids <uids>",
      "UIDs of the cluster's other SBDConfigs, with commas, or 'none': the still device of one that is " +
        "not among them is initialised anew",
      uidList,
    )
    .option("--result-file <path>", "also write the JSON answer there, at most 4096 bytes")
    .action(async (path: string, flags: InitFlags) => {
      const options = {
        path,
        timeoutSeconds: flags.timeoutSeconds,
        watchdogTimeoutSeconds: flags.watchdogTimeoutSeconds ?? null,
        onStorageLoss: flags.onStorageLoss,
        clusterName: flags.cluster,
        force: flags.force === true,
        localStorage: flags.localStorage === true,
        yes: flags.yes === true,
      };
      await perform(flags, (terminal) =>
        withResultFile(flags.resultFile ?? null, terminal, (told) =>
          initDevice({ ...options, claim: claimOf(flags) }, told),
        ),
      );
    });
}

function claimOf({ configUid, clusterUid, livingConfigUids }: InitFlags): ClusterClaim | null {
  if (configUid === undefined && clusterUid === undefined) {
    return null;
  }
  if (configUid === undefined || clusterUid === undefined) {
    throw new CliError("USAGE", "--config-uid and --cluster-uid belong together.");
  }
  return {
    configUID: configUid,
    clusterUID: clusterUid,
    livingConfigUIDs: livingConfigUids ?? null,
  };
}

type ShowFlags = CommonOptions & { readonly clusterUid?: string; readonly watch?: number };

function addShow(device: Command): void {
  leafCommand(
    device,
    "show <path>",
    "show header, heartbeats and fence messages of a device",
    "Fails for a device that cannot be read, has another format version or holds somebody else's data. " +
      "JSON: {header, slots, fences, unreadable}; header is null where there is none. timestampNs and " +
      "createdNs are strings, and so is a sequence beyond 2^53. state is armed, unarmed, detect-only, " +
      "leaving, fenced or bare (of a Go agent; nodeName and bootId are null). With --watch each slot " +
      "has moved. Says where the device is another cluster's than the one that can be reached.",
  )
    .addOption(clusterOption())
    .option("--watch <seconds>", "look twice, so far apart, and tell which move", positiveSeconds)
    .action(async (path: string, flags: ShowFlags) => {
      const options = {
        path,
        clusterUID: flags.clusterUid ?? null,
        watchSeconds: flags.watch ?? null,
      };
      await perform(flags, (terminal) => showDevice(options, terminal));
    });
}

type BenchFlags = CommonOptions & {
  readonly seconds: number;
  readonly rate: number;
  readonly load: number;
  readonly failoverSeconds?: number;
};

function addBench(device: Command): void {
  leafCommand(
    device,
    "bench <path>",
    "measure what a pass over the device takes, and advise T",
    "Does what an agent's pass does, beside the running agents, and changes nothing: what it writes is what " +
      "stands there, in a slot that is nobody's. Put the storage under its usual load, and fail a path over " +
      "while it runs; --load adds readers of its own, which stop where a pass takes a quarter of T. JSON: " +
      "{path, latency, advice, inForceSeconds, loadStopped}; latency has {passes, p50Ms, p99Ms, p999Ms, " +
      "longestMs}, advice {timeoutSeconds, arithmetic}.",
  )
    .option("--seconds <n>", "how long", wholeNumber(1, 86_400), 300)
    .option("--rate <n>", "passes a second; an agent has one at most", wholeNumber(1, 100), 10)
    .option("--load <n>", "processes that read the whole device meanwhile", wholeNumber(0, 16), 0)
    .option("--failover-seconds <s>", "how long a failover of the storage takes", positiveSeconds)
    .action(async (path: string, flags: BenchFlags) => {
      const options = {
        path,
        seconds: flags.seconds,
        passesPerSecond: flags.rate,
        load: flags.load,
        failoverSeconds: flags.failoverSeconds ?? null,
      };
      await perform(flags, (terminal) => benchDevice(options, terminal));
    });
}
