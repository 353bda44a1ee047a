import { openRequestsFor } from "../src/agent/api/request-state.ts";
import type { SlotTask, SlotTaskState } from "../src/agent/shell/api-message.ts";
import type { OpenRequestsReading } from "../src/fencing/authority.ts";
import type { ClearingDecision } from "../src/fencing/clearing.ts";
import { decideSlotTask, endOfReplacing } from "../src/fencing/slot-task.ts";
import type { KubeObject } from "../src/kube/kube-object.ts";
import { sameFenceSlot } from "../src/observation/sightings.ts";
import type { FenceSlot } from "../src/protocol/fence-record.ts";
import { deriveTiming } from "../src/timing/contract.ts";
import type { AgentProcess } from "./agent-process.ts";
import type { Call } from "./own-node-writer.ts";
import { fenceSlot, GARBAGE } from "./shared-device.ts";

type Finish = (task: SlotTask, state: SlotTaskState, reason: string) => void;

/**
 * src/agent/shell/slot-tasks.ts in virtual time: one list of open requests a task, then a look at the
 * slot, a compare and a write. The list's age counts from before the question left.
 */
export class SlotTasks {
  readonly #agent: AgentProcess;
  readonly #call: Call;
  readonly #finish: Finish;
  readonly #underWay = new Set<string>();
  #nonces = 0;

  constructor(agent: AgentProcess, call: Call, finish: Finish) {
    this.#agent = agent;
    this.#call = call;
    this.#finish = finish;
  }

  start(task: SlotTask): void {
    if (this.#underWay.has(task.id)) {
      return;
    }
    this.#underWay.add(task.id);
    const { world, boot } = this.#agent;
    const startedMs = boot.rawMs();
    this.#call(
      () => {
        const requests = world.api.remediations.list() as unknown as readonly KubeObject[];
        return openRequestsFor(requests, task.nodeName);
      },
      (list) => {
        if (list === null) {
          this.#underWay.delete(task.id);
          return;
        }
        const { openRequestUIDs, epochFloor } = list;
        this.#agent.fencers.keepOnly(task.nodeName, openRequestUIDs);
        this.#carryOut(task, { startedMs, openRequestUIDs }, epochFloor);
      },
    );
  }

  #carryOut(task: SlotTask, list: OpenRequestsReading, epochFloor: number): void {
    let found: FenceSlot = { kind: "empty" };
    this.#agent.worker.submit({
      write: null,
      read: (device, moment) => {
        if (moment === "fences") {
          found = device.fence(task.nodeID);
        }
      },
      done: (error) =>
        this.#agent.whenRunning(() => {
          if (error !== null) {
            this.#end(task, "Failed", error);
            return;
          }
          const decision = this.#decide(task, found, list, epochFloor);
          switch (decision.kind) {
            case "nothing-to-clear":
              this.#end(task, "Done", "");
              return;
            case "wait":
              this.#end(task, "Refused", decision.detail);
              return;
            case "clear":
              this.#clear(task, decision);
          }
        }),
    });
  }

  #decide(
    task: SlotTask,
    found: FenceSlot,
    list: OpenRequestsReading,
    epochFloor: number,
  ): ClearingDecision {
    const { fencers, state, boot } = this.#agent;
    const { sightings } = fencers;
    const timing = this.#agent.contract();
    this.#nonces += 1;
    const writer = timing && {
      name: state.config.nodeName,
      nodeID: state.config.nodeID,
      targetNodeID: task.nodeID,
      epochFloor: Math.max(epochFloor, sightings.epochs.get(task.nodeID) ?? 0),
      nonce: `${state.config.startSeed}c${this.#nonces}`,
      wallNs: this.#agent.wallNs(),
      timing: deriveTiming(timing),
    };
    return decideSlotTask(task.kind, found, list, writer, boot.rawMs());
  }

  #clear(task: SlotTask, decision: ClearingDecision & { readonly kind: "clear" }): void {
    const { worker, world, state } = this.#agent;
    const { nodeID } = task;
    const { expected, record } = decision;
    const next = fenceSlot(record);
    let unchanged = false;
    let readBack: FenceSlot = { kind: "empty" };
    worker.submit({
      read: (device) => {
        const found = device.fence(nodeID);
        unchanged =
          sameFenceSlot(found, expected) ||
          (found.kind === "unreadable" && expected.kind === "unreadable");
      },
      write: {
        land: (device) => {
          if (unchanged) {
            device.putFence(nodeID, next);
          }
        },
        tear: (device) => {
          if (unchanged) {
            device.putFence(nodeID, GARBAGE);
          }
        },
        readBack: (device) => {
          readBack = device.fence(nodeID);
        },
      },
      done: (error) =>
        this.#agent.whenRunning(() => {
          if (error !== null) {
            this.#end(task, "Failed", error);
            return;
          }
          const end = endOfReplacing(task.kind, record, { replaced: unchanged, readBack });
          if (unchanged && end.state === "Done") {
            const verb = task.kind === "Repair" ? "repairs" : "clears";
            world.say?.(`${state.config.nodeName} ${verb} fence slot ${nodeID}`);
          }
          this.#end(task, end.state, end.reason);
        }),
    });
  }

  #end(task: SlotTask, state: SlotTaskState, reason: string): void {
    this.#underWay.delete(task.id);
    this.#finish(task, state, reason);
  }
}
