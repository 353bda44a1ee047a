import type { LogLevel } from "../program/log-level.ts";

/** Says when something goes wrong and when it works again, not each time it is tried. */
export type TroubleLog = {
  /** @param trouble null: `what` has worked */
  note(what: string, trouble: string | null): void;
  /** Notes how work ends that nobody waits for: whoever asked for it asks again. */
  unlessItFails(what: string, work: Promise<void>): void;
};

/** Errors with a number in them would each be news. */
const SAID_MAX = 8;

/** @param log is told once a trouble, for each `what` */
export function createTroubleLog(log: (level: LogLevel, message: string) => void): TroubleLog {
  /** What has been said of each, since it last worked. */
  const troubles = new Map<string, Set<string>>();

  function note(what: string, trouble: string | null): void {
    if (trouble === null) {
      if (troubles.delete(what)) log("info", `${what}: works again`);
      return;
    }
    const said = troubles.get(what) ?? new Set();
    troubles.set(what, said);
    if (!said.has(trouble) && said.size < SAID_MAX) {
      said.add(trouble);
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
