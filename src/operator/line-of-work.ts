import { type Action, writeKeyOf } from "./action.ts";

/**
 * Work that goes on by itself: what fails in one line stops no other. Its writes are made in order,
 * one at a time, and what follows a write that failed is not made. An event is told once the writes
 * before it are done, so that no event tells of what has not happened.
 */
export type LineOfWork = {
  /** The same from one look to the next. */
  readonly key: string;
  readonly subject: LineSubject;
  readonly actions: readonly Action[];
};

/** What log lines about it name: `request`, `node`, `slot`, `config`. */
export type LineSubject = Readonly<Record<string, string>>;

/** Each write a line of its own, with the events that tell of it. */
export function eachByItself(
  actions: readonly Action[],
  subjectOf: (action: Action) => LineSubject,
): readonly LineOfWork[] {
  const lines: { key: string; subject: LineSubject; actions: Action[] }[] = [];
  for (const action of actions) {
    const last = lines.at(-1);
    if (action.type === "event" && last !== undefined) {
      last.actions.push(action);
    } else {
      lines.push({ key: writeKeyOf(action), subject: subjectOf(action), actions: [action] });
    }
  }
  return lines;
}
