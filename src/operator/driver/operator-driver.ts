import { retryAfter, type ErrorClass, type Failure, type Retry } from "../../kube/error-class.ts";
import { type Action, type PresentObject, writeKeyOf } from "../action.ts";
import type { OperatorPlace } from "../config.ts";
import type { LineOfWork, LineSubject } from "../line-of-work.ts";
import { NO_MEMORY, type OperatorMemory } from "../memory.ts";
import { reconcile } from "../operator.ts";
import type { Moment, Snapshot } from "../snapshot.ts";

/** An action that is a write; events are told by the driver. */
export type WriteAction = Exclude<Action, { readonly type: "event" }>;
export type EventAction = Action & { readonly type: "event" };

/** A write to be made now; what became of it is to be told to `answered`. */
export type Write = { readonly line: string; readonly action: WriteAction };
/** `object` is what the API server holds after it, where it has told. */
export type WriteAnswer =
  | { readonly kind: "done"; readonly object?: PresentObject }
  | ({ readonly kind: "failed" } & Failure);

/** What a host does on the driver's behalf besides writing. */
export type Told =
  | { readonly type: "event"; readonly event: EventAction }
  /** Each failure, for counting. */
  | { readonly type: "failure"; readonly class: ErrorClass }
  /** When a line begins to fail, fails in another way, or works again. */
  | {
      readonly type: "log";
      readonly level: "info" | "warn" | "error" | "debug";
      readonly message: string;
      readonly fields: LineSubject;
    };

type Line = {
  readonly key: string;
  readonly subject: LineSubject;
  /** What is still to be done of it. */
  readonly rest: readonly Action[];
  readonly decidedMs: number;
};

/** Writes under way at once: a server that hangs holds up so many lines, and no more of its time. */
export const WRITES_AT_ONCE_MAX = 8;
/** Looked at so often at least, whatever the watches say: a leader waits by its own clock. */
export const LOOK_EVERY_MS = 1_000;
/** What was decided longer ago is void: the next look decides anew. */
const DECISION_VALID_MS = LOOK_EVERY_MS;
/** For so long a cache may show an object as it was before this leader wrote it. */
const CACHE_BEHIND_MS = 1_000;

/** What has waited and wants nothing since has healed. */
const FORGOTTEN_AFTER_MS = 60_000;

const LEVELS = { stale: "debug", transient: "warn", permanent: "error" } as const;

/**
 * The operator's loop without its I/O and its clock: looks at a snapshot, hands out the writes of the
 * lines of work one by one, and takes in what became of them. What runs it only carries out, and is
 * the operator, a scenario, a property test or the simulator.
 *
 * - At most one write a line, and one an object, is under way at a time.
 * - A line whose write failed waits by itself, later and later (`src/kube/error-class.ts`); the others
 *   go on.
 * - A write that is refused for good is remembered, so that the core says so, and made again seldom.
 * - No write is made on a version of an object that this leader has just written on.
 */
export class OperatorDriver {
  readonly #random: () => number;
  #leads = false;
  #memory: OperatorMemory = NO_MEMORY;
  #queue: Line[] = [];
  /** Lines with a write under way, by key. */
  readonly #underWay = new Map<string, { readonly line: Line; readonly object: string | null }>();
  readonly #retries = new Map<string, Retry>();
  readonly #troubles = new Map<string, string>();
  /** When a refused write may be made again, by `writeKeyOf`. */
  readonly #barred = new Map<string, Retry>();
  /**
   * The manifest applied last, by `writeKeyOf`, and what was there after it: applying it again while that
   * is so only makes work. Whatever has changed it since, our fields are applied again.
   */
  readonly #applied = new Map<
    string,
    { readonly text: string; readonly object: PresentObject | null }
  >();
  /** The version each object was last written on, and when that was answered. */
  readonly #written = new Map<string, { readonly version: string; readonly atMs: number }>();

  /** @param random 0 up to 1 */
  constructor(random: () => number) {
    this.#random = random;
  }

  get leads(): boolean {
    return this.#leads;
  }

  get memory(): OperatorMemory {
    return this.#memory;
  }

  /** What a leader remembers begins anew with each term. */
  lead(): void {
    this.#leads = true;
    this.#memory = NO_MEMORY;
    this.#retries.clear();
    this.#barred.clear();
    this.#troubles.clear();
    this.#applied.clear();
    this.#written.clear();
  }

  /** Hands out no write any more. What is under way may still be done. */
  follow(): void {
    this.#leads = false;
    this.#queue = [];
  }

  /** Decides anew what every line wants that is neither under way nor waiting to be tried again. */
  look(snapshot: Snapshot, moment: Moment, place: OperatorPlace): void {
    if (!this.#leads) {
      return;
    }
    const { nowMs } = moment;
    this.#forget(nowMs);
    const isFree = (key: string): boolean =>
      !this.#underWay.has(key) &&
      nowMs >= (this.#retries.get(key)?.untilMs ?? -Infinity) &&
      nowMs >= (this.#barred.get(key)?.untilMs ?? -Infinity);
    const { lines, memory } = reconcile(snapshot, this.#memory, moment, place, isFree);
    this.#memory = memory;
    this.#queue = lines
      .filter(({ actions: [first] }) => first !== undefined && !this.#isApplied(first))
      .map(({ key, subject, actions }: LineOfWork) => ({
        key,
        subject,
        rest: actions,
        decidedMs: nowMs,
      }));
  }

  /** The most urgent write that may be made now; null where there is none. It is under way from now on. */
  next(nowMs: number): Write | null {
    while (this.#leads && this.#underWay.size < WRITES_AT_ONCE_MAX) {
      const index = this.#queue.findIndex((line) => this.#mayWrite(line, nowMs));
      const [line] = index === -1 ? [] : this.#queue.splice(index, 1);
      const [action] = line?.rest ?? [];
      if (line === undefined || action === undefined || action.type === "event") {
        return null;
      }
      if (nowMs - line.decidedMs < DECISION_VALID_MS) {
        this.#underWay.set(line.key, { line, object: objectOf(action) });
        return { line: line.key, action };
      }
    }
    return null;
  }

  /** Takes in what became of a write that `next` handed out. */
  answered(write: Write, answer: WriteAnswer, nowMs: number): readonly Told[] {
    const line = this.#underWay.get(write.line)?.line;
    this.#underWay.delete(write.line);
    if (line === undefined) {
      return [];
    }
    if ("target" in write.action && (answer.kind === "done" || answer.code === "CONFLICT")) {
      const { uid, resourceVersion: version } = write.action.target;
      this.#written.set(uid, { version, atMs: nowMs });
    }
    return answer.kind === "done"
      ? this.#goOn(line, write, answer.object ?? null)
      : this.#standBack(line, write, answer, nowMs);
  }

  /** How long until it is to look again, were nothing to change. */
  waitMs(nowMs: number): number {
    const waits = [...this.#retries.values()].map(({ untilMs }) => untilMs - nowMs);
    return Math.min(LOOK_EVERY_MS, ...waits.filter((ms) => ms > 0));
  }

  #isApplied(action: Action): boolean {
    if (action.type !== "apply-daemon-set" && action.type !== "apply-deployment") {
      return false;
    }
    const applied = this.#applied.get(writeKeyOf(action));
    return (
      action.present !== null &&
      applied?.text === JSON.stringify(action.manifest) &&
      (applied.object === null || applied.object.resourceVersion === action.present.resourceVersion)
    );
  }

  #mayWrite({ rest }: Line, nowMs: number): boolean {
    const [action] = rest;
    if (action === undefined || action.type === "event") {
      return false;
    }
    const object = objectOf(action);
    if (object !== null && [...this.#underWay.values()].some((other) => other.object === object)) {
      return false;
    }
    if (!("target" in action)) {
      return true;
    }
    const written = this.#written.get(action.target.uid);
    return (
      written === undefined ||
      written.version !== action.target.resourceVersion ||
      nowMs - written.atMs >= CACHE_BEHIND_MS
    );
  }

  #goOn(line: Line, { action }: Write, object: PresentObject | null): readonly Told[] {
    this.#retries.delete(line.key);
    this.#unbar(writeKeyOf(action));
    const isNews = !this.#noteApplied(action, object);
    const rest = line.rest.slice(1);
    const nextWrite = rest.findIndex(({ type }) => type !== "event");
    const events = nextWrite === -1 ? rest : rest.slice(0, nextWrite);
    if (nextWrite !== -1 && this.#leads) {
      this.#queue.unshift({ ...line, rest: rest.slice(nextWrite) });
    }
    const told: Told[] = events.flatMap((event) =>
      event.type === "event" && isNews ? [{ type: "event", event }] : [],
    );
    if (this.#troubles.delete(line.key)) {
      told.push({ type: "log", level: "info", message: "works again", fields: line.subject });
    }
    return told;
  }

  /** @returns whether applying has changed nothing */
  #noteApplied(action: WriteAction, object: PresentObject | null): boolean {
    if (action.type !== "apply-daemon-set" && action.type !== "apply-deployment") {
      return false;
    }
    this.#applied.set(writeKeyOf(action), { text: JSON.stringify(action.manifest), object });
    return object !== null && object.generation === action.present?.generation;
  }

  #standBack(line: Line, { action }: Write, failure: Failure, nowMs: number): readonly Told[] {
    const key = writeKeyOf(action);
    const before = this.#barred.get(key) ?? this.#retries.get(line.key) ?? null;
    const retry = retryAfter(before, failure, nowMs, this.#random());
    if (retry.class === "permanent") {
      this.#retries.delete(line.key);
      this.#barred.set(key, retry);
      const refusals = new Map(this.#memory.refusals).set(key, { message: failure.message });
      this.#memory = { ...this.#memory, refusals };
    } else {
      this.#retries.set(line.key, retry);
    }
    const counted: Told = { type: "failure", class: retry.class };
    const trouble = `${retry.class} ${action.type} ${failure.code}`;
    if (this.#troubles.get(line.key) === trouble) {
      return [counted];
    }
    this.#troubles.set(line.key, trouble);
    return [
      counted,
      {
        type: "log",
        level: LEVELS[retry.class],
        message: `${action.type} failed`,
        fields: { ...line.subject, err: failure.message, class: retry.class },
      },
    ];
  }

  #unbar(key: string): void {
    if (this.#barred.delete(key)) {
      const refusals = new Map(this.#memory.refusals);
      refusals.delete(key);
      this.#memory = { ...this.#memory, refusals };
    }
  }

  /** A refused write is made again when it is due; what waited and is past that is forgotten in time. */
  #forget(nowMs: number): void {
    const due = [...this.#barred].filter(([, { untilMs }]) => nowMs >= untilMs);
    if (due.length > 0) {
      const refusals = new Map(this.#memory.refusals);
      for (const [key] of due) refusals.delete(key);
      this.#memory = { ...this.#memory, refusals };
    }
    for (const [key, { untilMs }] of this.#barred) {
      if (nowMs - untilMs > FORGOTTEN_AFTER_MS) this.#barred.delete(key);
    }
    for (const [key, { untilMs }] of this.#retries) {
      if (nowMs - untilMs > FORGOTTEN_AFTER_MS) {
        this.#retries.delete(key);
        this.#troubles.delete(key);
      }
    }
    for (const [uid, { atMs }] of this.#written) {
      if (nowMs - atMs >= CACHE_BEHIND_MS) this.#written.delete(uid);
    }
  }
}

/** The object a write changes; null for one that it makes. */
function objectOf(action: WriteAction): string | null {
  return "target" in action ? action.target.uid : null;
}
