import type { CommandLine } from "./command-line.ts";
import type { FencerPlayer, Happening } from "./fencer-player.ts";
import { evidenceName, missingCodes } from "./fencer-trace.ts";
import type { ScenarioDevice } from "./scenario-device.ts";
import { showSeconds } from "./true-time.ts";

/** Rows of the table that every waiting request lacks; not what a Bounded variant is about. */
const OTHER_ROWS: ReadonlySet<string> = new Set(["NO_ACKNOWLEDGEMENT", "NO_LATER_BOOT"]);

/**
 * `expect F R1 proven Bounded A` · `expect F R1 unproven` · `expect F R1 declared|undeclared` ·
 * `expect F R1 lacks TAINT NODE_BOOT` (among others) · `expect F R1 lacks-only TAINT` (of Bounded's
 * row) · `expect F R1 state Failed` · `expect F R1 unfencable NOT_ARMED`
 */
export function expectRequest(
  player: FencerPlayer,
  line: CommandLine,
  report: (uid: string) => { readonly state: string; readonly unfencable: string | null },
): void {
  const uid = line.word("a request");
  const what = line.word("what is expected");
  const rest = restOf(line);
  const request = player.state.requests.find((known) => known.uid === uid);
  if (request === undefined) {
    throw new Error(`${player.config.name} does not know ${uid}`);
  }
  const lacking = missingCodes(request);
  switch (what) {
    case "proven":
      return same(request.proof === null ? "unproven" : evidenceName(request.proof), rest);
    case "unproven":
      return same(request.proof === null ? "" : evidenceName(request.proof), rest);
    case "declared":
    case "undeclared":
      return same(request.declaredMs === null ? "undeclared" : "declared", what);
    case "lacks":
      return same(
        rest
          .split(" ")
          .filter((code) => lacking.includes(code))
          .join(" "),
        rest,
      );
    case "lacks-only":
      return same(lacking.filter((code) => !OTHER_ROWS.has(code)).join(" "), rest);
    case "state":
      return same(report(uid).state, rest);
    case "unfencable":
      return same(report(uid).unfencable ?? "", rest);
    default:
      throw new Error(`'expect' knows no '${what}'`);
  }
}

/** `expect slot 2 fence epoch=2 to=B` · `expect slot 2 cleared epoch=2` · `expect slot 2 empty` */
export function expectSlot(device: ScenarioDevice, line: CommandLine): void {
  const nodeID = Number(line.word("a slot"));
  const kind = line.word("what is in it");
  const slot = device.fences.get(nodeID) ?? { kind: "empty" as const };
  const record = slot.kind === "fence" || slot.kind === "cleared" ? slot.record : null;
  same(slot.kind, kind);
  const epoch = line.numberOf("epoch");
  if (epoch !== null) {
    same(String(record?.epoch), String(epoch));
  }
  const to = line.value("to");
  if (to !== null) {
    same(record?.targetBootID ?? "nobody", to);
  }
}

/**
 * What may not happen in the whole scenario: `never proven`, `never declared`, `never written`; each
 * with `by=F`, `of=R1`, `kind=Bounded`, `to=B`, `before=60`, `after=60`.
 */
export function neverRule(line: CommandLine): (happening: Happening) => void {
  const kind = line.word("what may never happen");
  if (kind !== "proven" && kind !== "declared" && kind !== "written") {
    throw new Error(`'never' knows no '${kind}'`);
  }
  const [by, of, to, evidence] = [
    line.value("by"),
    line.value("of"),
    line.value("to"),
    line.value("kind"),
  ];
  const [beforeMs, afterMs] = [line.secondsOf("before"), line.secondsOf("after")];
  return (happening) => {
    const { atMs } = happening;
    const [uid, boot, name] =
      happening.kind === "written"
        ? [happening.record.requestUID, happening.record.targetBootID, null]
        : [happening.uid, null, happening.evidence];
    if (
      happening.kind === kind &&
      (by === null || by === happening.by) &&
      (of === null || of === uid) &&
      (to === null || to === boot) &&
      (evidence === null || name?.startsWith(evidence) === true) &&
      (beforeMs === null || atMs < beforeMs) &&
      (afterMs === null || atMs > afterMs)
    ) {
      throw new Error(
        `${happening.by} has ${kind} at ${showSeconds(atMs)} what it never may: ` +
          `${uid} ${boot ?? ""}${name ?? ""}`,
      );
    }
  };
}

function restOf(line: CommandLine): string {
  const words: string[] = [];
  for (let word = line.optionalWord(); word !== null; word = line.optionalWord()) {
    words.push(word);
  }
  return words.join(" ");
}

function same(actual: string, expected: string): void {
  if (actual !== expected) {
    throw new Error(`expected '${expected}', and it is '${actual}'`);
  }
}
