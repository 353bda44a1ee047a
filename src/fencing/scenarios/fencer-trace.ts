import type { Evidence } from "../evidence.ts";
import { reportRequest } from "../fencer-report.ts";
import type { FencerStepped } from "../driver/fencer-driver.ts";
import type { FencerState, OpenRequest } from "../fencer-state.ts";
import type { FencerPlayer, Stage } from "./fencer-player.ts";
import { showSeconds } from "./true-time.ts";

/** Tells what a step has changed, and nothing of the passes that change nothing. */
export function traceStep(
  { timeline, trace, happened }: Stage,
  player: FencerPlayer,
  { event, before, effects }: FencerStepped,
): void {
  const atMs = timeline.nowMs();
  const by = player.config.name;
  const say = (line: string): void => trace(`${by}: ${line}`);
  for (const line of messageChange(before, player)) {
    say(line);
  }
  for (const effect of effects) {
    if (effect.type === "write-fence") {
      const { record } = effect;
      const attempt = player.state.message.kind === "writing" ? player.state.message.attempt : 1;
      say(
        `writes epoch ${record.epoch} to ${record.targetBootID} for ${record.requestUID}` +
          (attempt > 1 ? `, attempt ${attempt}` : ""),
      );
      happened({ kind: "written", atMs, by, record });
    }
  }
  for (const request of player.state.requests) {
    const known = before.requests.find(({ uid }) => uid === request.uid) ?? null;
    for (const line of requestChange(known, request)) {
      say(line);
    }
    if (known?.proof == null && request.proof !== null) {
      const { uid } = request;
      happened({ kind: "proven", atMs, by, uid, evidence: evidenceName(request.proof) });
    }
    // Within a pass what is missing comes and goes, region by region.
    const lines = event.type === "tick" ? lackChange(player, request) : [];
    for (const line of lines) {
      say(line);
    }
    for (const line of standingChange(player, request, atMs)) {
      say(line);
    }
  }
  for (const effect of effects) {
    if (effect.type === "declare") {
      const { uid } = effect;
      say(`declares ${uid}: ${evidenceName(effect.evidence)}`);
      happened({ kind: "declared", atMs, by, uid, evidence: evidenceName(effect.evidence) });
    }
  }
}

/** `Bounded A`, `Rebooted(b) A by B`. */
export function evidenceName(evidence: Evidence): string {
  switch (evidence.kind) {
    case "Rebooted":
      return `Rebooted(${evidence.rule}) ${evidence.bootID} by ${evidence.laterBootID}`;
    case "ManuallyConfirmed":
      return `ManuallyConfirmed ${evidence.bootID} by ${evidence.by}`;
    case "Acknowledged":
    case "Bounded":
      return `${evidence.kind} ${evidence.bootID}`;
  }
}

/** The codes of what is missing, each once. */
export function missingCodes(request: OpenRequest): readonly string[] {
  return [...new Set(request.missing.map(({ code }) => code))];
}

function messageChange(before: FencerState, player: FencerPlayer): string[] {
  const [old, now] = [before.message, player.state.message];
  const lines: string[] = [];
  if (old.kind === "standing" && (now.kind !== "standing" || now.record !== old.record)) {
    lines.push(`gives epoch ${old.record.epoch} up`);
  }
  switch (now.kind) {
    case "none":
    case "writing":
      break;
    case "retrying":
      if (old.kind === "writing") {
        lines.push(`epoch ${now.record.epoch} was not written: ${now.error}`);
      }
      break;
    case "unwritable":
      if (old.kind === "writing") {
        lines.push(`epoch ${now.record.epoch} cannot be written: ${now.error}`);
      }
      break;
    case "standing": {
      const { record, durableMs } = now;
      if (old.kind === "writing" && old.record === record) {
        lines.push(`epoch ${record.epoch} is durable`);
      } else if (old.kind !== "standing" || old.record !== record) {
        lines.push(
          `takes over epoch ${record.epoch} to ${record.targetBootID} by ${record.fencerName}, ` +
            `seen first at ${showSeconds((durableMs - player.clock.offsetMs) / player.clock.rate)}`,
        );
      }
      break;
    }
  }
  return lines;
}

function requestChange(before: OpenRequest | null, now: OpenRequest): string[] {
  const lines: string[] = [];
  if (before === null) {
    lines.push(`accepts ${now.uid}`);
  }
  if (now.proof !== null && before?.proof == null) {
    lines.push(`has proof for ${now.uid}: ${evidenceName(now.proof)}`);
  }
  if (now.concluded && before?.concluded !== true) {
    lines.push(`${now.uid} is recorded`);
  }
  return lines;
}

function lackChange({ lacking }: FencerPlayer, request: OpenRequest): string[] {
  const codes = missingCodes(request).join(" ");
  const before = lacking.get(request.uid) ?? "";
  lacking.set(request.uid, codes);
  return codes === before || codes === "" ? [] : [`${request.uid} lacks ${codes}`];
}

/** Failures come with time, not with a step, so they are compared with what was said last. */
function standingChange(player: FencerPlayer, { uid }: OpenRequest, atMs: number): string[] {
  const { state, clock, told } = player;
  const request = state.requests.find((known) => known.uid === uid);
  if (request === undefined) {
    return [];
  }
  const report = reportRequest(state, request, clock.offsetMs + atMs * clock.rate);
  const lines = [
    ...(report.unfencable === null
      ? []
      : [`${uid} is unfencable: ${report.unfencable.code}, ${report.unfencable.detail}`]),
    ...(report.state === "Failed" ? [`${uid} has failed: ${report.detail}`] : []),
  ];
  const before = told.get(uid) ?? "";
  told.set(uid, lines.join("\n"));
  return lines.filter((line) => !before.split("\n").includes(line));
}
