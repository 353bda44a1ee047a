import { Option, type Command } from "commander";

import type { OnStorageLoss } from "../protocol/device-header.ts";
import { CliError } from "./cli-error.ts";
import { leafCommand, perform, type CommonOptions } from "./leaf-command.ts";
import { wholeNumber } from "./option-values.ts";

type DoctorFlags = CommonOptions & {
  readonly hostRoot: string;
  readonly watchdogPath: string;
  readonly device?: string;
  readonly timeoutSeconds?: number;
  readonly watchdogTimeoutSeconds?: number;
  readonly onStorageLoss?: OnStorageLoss;
  readonly configUid?: string;
  readonly clusterUid?: string;
};

/** What looks at the machine it runs on. */
export function addHostCommands(program: Command): void {
  const seconds = wholeNumber(1, 3_600);
  leafCommand(
    program,
    "doctor",
    "examine this node: what would hinder its fencing, and what to do about it",
    "Looks at watchdog, systemd, sysrq, clock, agent, cgroups, device and storage; writes nothing and " +
      "opens no watchdog. In the agent's pod all options have their values: kubectl -n sbd-system exec POD " +
      "-- sbdctl doctor. Elsewhere: kubectl debug node/NODE --profile=sysadmin --image=IMAGE -- sbdctl doctor " +
      "--host-root /host. Fails where it finds a problem. JSON: {time, problems, findings}; a finding has " +
      "{check, level, finding, remedy}, and level is problem, warning, note or ok.",
  )
    .addOption(
      new Option("--host-root <path>", "where the host's /proc, /sys, /etc and /dev are")
        .env("SBD_HOST_ROOT")
        .default("/"),
    )
    .addOption(
      new Option("--watchdog-path <path>", "the watchdog, of the host")
        .env("SBD_WATCHDOG_PATH")
        .default("/dev/watchdog"),
    )
    .addOption(
      new Option("--device <path>", "the shared device or directory").env("SBD_DEVICE_PATH"),
    )
    .addOption(
      new Option("--timeout-seconds <n>", "T of the SBDConfig")
        .env("SBD_TIMEOUT_SECONDS")
        .argParser(seconds),
    )
    .addOption(
      new Option("--watchdog-timeout-seconds <n>", "W of the SBDConfig")
        .env("SBD_WATCHDOG_TIMEOUT_SECONDS")
        .argParser(seconds),
    )
    .addOption(
      new Option("--on-storage-loss <what>", "of the SBDConfig")
        .env("SBD_ON_STORAGE_LOSS")
        .choices(["SelfFence", "SurviveWithApi"]),
    )
    .addOption(new Option("--config-uid <uid>", "UID of the SBDConfig").env("SBD_CONFIG_UID"))
    .addOption(
      new Option("--cluster-uid <uid>", "UID of namespace kube-system").env("SBD_CLUSTER_UID"),
    )
    .action(async (flags: DoctorFlags) => {
      const { examineNode } = await import("./doctor.ts");
      await perform(flags, (terminal) =>
        examineNode(
          {
            hostRoot: flags.hostRoot,
            watchdogPath: flags.watchdogPath,
            devicePath: flags.device ?? null,
            asked: {
              timeoutMs: inMs(flags.timeoutSeconds),
              watchdogMs: inMs(flags.watchdogTimeoutSeconds),
              onStorageLoss: flags.onStorageLoss ?? null,
            },
            owner: ownerOf(flags),
          },
          terminal,
        ),
      );
    });
}

function inMs(seconds: number | undefined): number | null {
  return seconds === undefined ? null : seconds * 1_000;
}

function ownerOf({ configUid, clusterUid }: DoctorFlags) {
  if (configUid === undefined && clusterUid === undefined) return null;
  if (configUid === undefined || clusterUid === undefined) {
    throw new CliError("USAGE", "--config-uid and --cluster-uid belong together.");
  }
  return { configUID: configUid, clusterUID: clusterUid };
}
