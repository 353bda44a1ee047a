import type { NodeObject } from "./api-store.ts";
import type { Boot } from "./boot.ts";

const STARTS_AFTER_MS = 4_000;
const SYNC_EVERY_MS = 5_000;
/** From what it has read to what it does; with the interval less than the ten seconds a taint stands. */
const ACTS_WITHIN_MS = 3_000;

/**
 * The kubelet of one boot: tells the API which boot it is, starts what is bound to its node and ends
 * what NoExecute evicts, all by what it last read. It knows no pods before it has reached the API.
 */
export class Kubelet {
  readonly #boot: Boot;
  /** UID of the Node under which this boot could be given pods; null = it never could. */
  heldPodsUnder: string | null = null;
  #agentStarted = false;

  constructor(boot: Boot) {
    this.#boot = boot;
  }

  begin(): void {
    const { machine } = this.#boot;
    const { world } = machine;
    const delayMs = STARTS_AFTER_MS * (0.5 + machine.random.next());
    world.timeline.after(delayMs, () => {
      if (machine.autonomous && this.#boot.alive) {
        this.#startPods();
      }
      this.#sync();
    });
  }

  end(): void {
    const { machine } = this.#boot;
    const { world } = machine;
    const queuedMs = machine.queuedIoUntilMs - world.timeline.nowMs;
    if (queuedMs <= 0) {
      this.#stopPods();
      return;
    }
    world.timeline.after(queuedMs, () => this.#stopPods());
  }

  #sync(): void {
    const boot = this.#boot;
    if (!boot.alive) {
      return;
    }
    const { machine } = boot;
    const { timeline, api } = machine.world;
    const { nowMs } = timeline;
    timeline.after(SYNC_EVERY_MS, () => this.#sync());
    if (nowMs < boot.frozenUntilMs || boot.shuttingDown || nowMs < machine.kubeletCutUntilMs) {
      return;
    }
    const node = api.nodes.get(machine.nodeName) ?? this.#register();
    node.bootID = boot.bootID;
    node.ready = true;
    node.unknownSinceMs = null;
    node.heardMs = nowMs;
    if (!this.#agentStarted) {
      this.#agentStarted = true;
      boot.startAgent(machine.random.between(500, 3_000));
    }
    const { noExecute, uid } = node;
    if (!noExecute) {
      this.heldPodsUnder = uid;
      machine.world.invariants.admitted(boot);
    }
    timeline.after(machine.random.next() * ACTS_WITHIN_MS, () => {
      if (boot.alive && !boot.shuttingDown) {
        if (noExecute) {
          this.#stopPods();
        } else {
          this.#startPods();
        }
      }
    });
  }

  /** A kubelet whose Node was deleted registers a new one, without any taint. */
  #register(): NodeObject {
    const { machine } = this.#boot;
    machine.world.say?.(`${machine.nodeName} registers its Node anew`);
    return machine.world.api.createNode(machine.nodeName);
  }

  #startPods(): void {
    const { machine } = this.#boot;
    for (const pod of machine.world.workloads.pods) {
      if (pod.nodeName === machine.nodeName) {
        machine.world.workloads.start(pod, this.#boot);
      } else {
        machine.world.workloads.stop(pod, this.#boot);
      }
    }
  }

  #stopPods(): void {
    const { machine } = this.#boot;
    for (const pod of machine.world.workloads.pods) {
      machine.world.workloads.stop(pod, this.#boot);
    }
  }
}
