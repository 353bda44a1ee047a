import { type Command, Option } from "commander";

import { WATCHDOG_MS_MAX, WATCHDOG_MS_MIN } from "../timing/contract.ts";
import { leafCommand, perform, type CommonOptions } from "./leaf-command.ts";
import { wholeNumber } from "./option-values.ts";
import { showWatchdogs } from "./watchdog-show.ts";
import { testWatchdog } from "./watchdog-test.ts";

type ShowFlags = CommonOptions & {
  readonly watchdogTimeoutSeconds: number;
  readonly hostRoot: string;
};

type TestFlags = CommonOptions & {
  readonly watchdogPath: string;
  readonly timeoutSeconds: number;
  readonly hostRoot: string;
  readonly yes?: true;
  readonly reset?: true;
  readonly device?: string;
  readonly nodeId?: number;
};

const TIMEOUT_SECONDS_DEFAULT = 15;
/** In the agent's pod they have their values. */
const hostRoot = (): Option =>
  new Option("--host-root <path>", "where the host's /proc, /sys, /etc and /dev are")
    .env("SBD_HOST_ROOT")
    .default("/");

/** `watchdog show` and `watchdog test`. */
export function addWatchdogCommands(watchdog: Command): void {
  leafCommand(
    watchdog,
    "show",
    "list the watchdogs and judge them",
    "Reads sysfs and /proc only: no watchdog is opened, which would start it. A machine without one is no " +
      "failure. JSON: {watchdogTimeoutSeconds, watchdogs, stopOnReboot, sysrq}.",
  )
    .addOption(
      new Option("--watchdog-timeout-seconds <n>", "W to judge them by")
        .env("SBD_WATCHDOG_TIMEOUT_SECONDS")
        .argParser(wholeNumber(WATCHDOG_MS_MIN / 1_000, WATCHDOG_MS_MAX / 1_000))
        .default(TIMEOUT_SECONDS_DEFAULT),
    )
    .addOption(hostRoot())
    .action(async (flags: ShowFlags) => {
      await perform(flags, async (terminal) => showWatchdogs(flags, terminal));
    });

  leafCommand(
    watchdog,
    "test",
    "open a watchdog, pet it a few times and release it",
    "Refused without --reset where the watchdog would go on ticking after its release. With --reset " +
      "it is not petted any more, so that THIS MACHINE RESETS, and the seconds since the last pet are " +
      "printed until then: the last line is the longest its watchdog takes. With --device and " +
      "--node-id this node goes on beating, unarmed, so that its peers see when it ended.",
  )
    .option("--watchdog-path <path>", "the watchdog", "/dev/watchdog")
    .option(
      "--timeout-seconds <n>",
      "timeout to set",
      wholeNumber(1, WATCHDOG_MS_MAX / 1_000),
      TIMEOUT_SECONDS_DEFAULT,
    )
    .option("--yes", "do not ask")
    .option("--reset", "stop petting on purpose, so that this machine resets")
    .option("--device <path>", "with --reset: go on beating on this shared device")
    .option("--node-id <n>", "with --device: the slot of this node", wholeNumber(1, 255))
    .addOption(hostRoot())
    .action(async (flags: TestFlags) => {
      const options = {
        watchdogPath: flags.watchdogPath,
        timeoutSeconds: flags.timeoutSeconds,
        hostRoot: flags.hostRoot,
        yes: flags.yes === true,
        reset: flags.reset === true,
        devicePath: flags.device ?? null,
        nodeID: flags.nodeId ?? null,
      };
      await perform(flags, (terminal) => testWatchdog(options, terminal));
    });
}
