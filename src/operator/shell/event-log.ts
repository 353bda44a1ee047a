import type { LogLevel } from "../../program/log-level.ts";
import type { EventAction } from "../driver/operator-driver.ts";

export type EventLine = {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, string>>;
};

const KEYS: Readonly<Record<string, string>> = {
  SBDRemediation: "request",
  SBDConfig: "config",
  Node: "node",
};

/** What an Event tells of a config or a fencing, as a line of the log, which outlives the Event. */
export function lineOfEvent({ about, eventType, reason, message }: EventAction): EventLine {
  const name = about.namespace === undefined ? about.name : `${about.namespace}/${about.name}`;
  return {
    level: eventType === "Warning" ? "warn" : "info",
    message,
    fields: { [KEYS[about.kind] ?? "object"]: name, reason },
  };
}
