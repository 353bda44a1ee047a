import type { AgentState } from "../src/agent/agent-state.ts";
import type { Evidence } from "../src/fencing/evidence.ts";
import type { FencerState } from "../src/fencing/fencer-state.ts";

/** Which transitions of the cores' states the runs have been through, and how often. */
export class Coverage {
  readonly counts = new Map<string, number>();

  agentStarted(state: AgentState): void {
    this.count(`life: start -> ${state.life.kind}`);
  }

  agentStepped(before: AgentState, after: AgentState): void {
    if (before.life !== after.life) {
      this.#moved("life", lifeName(before.life), lifeName(after.life));
    }
    if (before.watchdog !== after.watchdog) {
      this.#moved("watchdog", watchdogName(before.watchdog), watchdogName(after.watchdog));
    }
    if (before.ownSlot !== after.ownSlot) {
      this.#moved("ownSlot", before.ownSlot.kind, after.ownSlot.kind);
    }
    if (before.pass !== after.pass) {
      this.#moved("pass", before.pass.kind, after.pass.kind);
    }
    if (before.firstRead !== after.firstRead) {
      this.#moved("firstRead", before.firstRead.kind, after.firstRead.kind);
    }
  }

  fencerStepped(before: FencerState, after: FencerState): void {
    if (before.message !== after.message) {
      this.#moved("message", before.message.kind, after.message.kind);
    }
    if (before.requests === after.requests) {
      return;
    }
    for (const [index, request] of after.requests.entries()) {
      const known = before.requests[index];
      if (request.proof !== null && known?.proof == null) {
        this.count(`evidence: ${evidenceName(request.proof)}`);
      }
      if (request.missing !== known?.missing) {
        for (const { code } of request.missing) {
          this.count(`missing: ${code}`);
        }
      }
    }
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  add(other: Coverage): void {
    for (const [what, times] of other.counts) {
      this.counts.set(what, (this.counts.get(what) ?? 0) + times);
    }
  }

  #moved(what: string, from: string, to: string): void {
    if (from !== to) {
      this.count(`${what}: ${from} -> ${to}`);
    }
  }
}

export function evidenceName(evidence: Evidence): string {
  return evidence.kind === "Rebooted" ? `Rebooted (${evidence.rule})` : evidence.kind;
}

function lifeName(life: AgentState["life"]): string {
  return "stage" in life ? `${life.kind}/${life.stage}` : life.kind;
}

function watchdogName(watchdog: AgentState["watchdog"]): string {
  if (watchdog.kind !== "open") {
    return watchdog.kind;
  }
  return watchdog.armed ? "armed" : "unarmed";
}
