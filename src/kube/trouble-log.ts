import type { LogLevel } from "../program/log-level.ts";

/** Says when something goes wrong and when it works again, not each time it is tried. */
export type TroubleLog = {
  /** @param trouble null: `what` has worked */
  note(what: string, trouble: string | null): void;
  /** Notes how work ends that nobody waits for: whoever asked for it asks again. */
  unlessItFails(what: string, work: Promise<void>): void;
};

/** @param log is told once a trouble, for each `what` */
export function createTroubleLog(log: (level: LogLevel, message: string) => void): TroubleLog {
  const troubles = new Map<string, string>();

  function note(what: string, trouble: string | null): void {
    if (trouble === null) {
      if (troubles.delete(what)) log("info", `${what}: works again`);
    } else if (troubles.get(what) !== trouble) {
      troubles.set(what, trouble);
      log("warn", `${what}: ${trouble}`);
    }
  }

  return {
    note,
    unlessItFails(what, work) {
      work.then(
        () => note(what, null),
        (error: unknown) => note(what, error instanceof Error ? error.message : String(error)),
      );
    },
  };
}
