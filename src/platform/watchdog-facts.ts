import type { WatchdogFacts } from "../timing/watchdog-effect.ts";
import type { WatchdogInspection } from "./watchdog-inspection.ts";

/** What sysfs shows of a watchdog, as the timing contract judges it. */
export function watchdogFacts(seen: WatchdogInspection): WatchdogFacts {
  return {
    driver: seen.driver,
    identity: seen.identity ?? "",
    options: seen.options,
    nowayout: seen.nowayout ?? false,
    softNoboot: isSet(seen.moduleParameters["soft_noboot"]),
    softRebootCmd: isSet(seen.moduleParameters["soft_reboot_cmd"]),
    measuredFactor: null,
  };
}

function isSet(parameter: string | undefined): boolean {
  return parameter !== undefined && !["", "0", "N", "n", "(null)"].includes(parameter.trim());
}
