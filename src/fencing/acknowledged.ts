import { acknowledgedWaitMs, seconds } from "../timing/contract.ts";
import { missing, wanting, type Verdict } from "./evidence.ts";
import { acknowledgementFor, countFromMs, type FenceCase } from "./fence-case.ts";
import { lacksNode } from "./node-lacks.ts";

/**
 * Acknowledged: the addressed boot, armed, wrote `fenced` with this epoch. From then on nobody pets
 * on purpose; the last pet is at latest the closing one of a process that dies within W, so the
 * machine is reset within 2W, where W is the timeout that the acknowledgement says is in force: the
 * latched agent has shortened it where it could. An unarmed acknowledgement proves nothing, and that of one machine
 * nothing of another under the same name.
 */
export function judgeAcknowledged(fence: FenceCase): Verdict {
  const { nowMs, timing, message, cluster } = fence;
  if (cluster?.pausableNodes === "Refuse") {
    return missing("PAUSABLE", "pausableNodes is Refuse, so time proves nothing");
  }
  const acknowledgement = acknowledgementFor(fence);
  if (acknowledgement === null) {
    return missing("NO_ACKNOWLEDGEMENT", "the target has not acknowledged the message");
  }
  if (!acknowledgement.armed) {
    return missing("ACKNOWLEDGED_UNARMED", "the target acknowledged without an armed watchdog");
  }
  const waitedMs = nowMs - acknowledgement.seenMs;
  const waitMs = acknowledgedWaitMs(timing, acknowledgement.watchdogMs);
  if (waitedMs < waitMs) {
    return missing(
      "ACKNOWLEDGED_WAIT",
      `acknowledged; its watchdog has fired by ${seconds(waitMs)} after that`,
    );
  }
  const deadMs = Math.max(acknowledgement.seenMs + waitMs, countFromMs(fence));
  const lacks = lacksNode(fence, deadMs);
  if (lacks.length > 0) {
    return wanting(lacks);
  }
  return {
    kind: "proven",
    evidence: {
      kind: "Acknowledged",
      bootID: message.record.targetBootID,
      detail: `acknowledged while armed, ${seconds(Math.floor(waitedMs))} ago`,
    },
  };
}
