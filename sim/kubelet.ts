import type { KubeNode, KubePod } from "../src/operator/kube-object.ts";
import type { Boot } from "./boot.ts";
import { setReady } from "./kube-controllers.ts";
import type { Volume } from "./workloads.ts";

const STARTS_AFTER_MS = 4_000;
const SYNC_EVERY_MS = 5_000;
/** From what it has read to what it does: nearly as long as a taint stands before anything is proven. */
const ACTS_WITHIN_MS = 4_900;

/** A pod of its node as it was read, and whether its volume may be mounted here. */
type Seen = { readonly volume: Volume; readonly pod: KubePod; readonly attached: boolean };

/**
 * The kubelet of one boot: tells the API which boot it is, starts what is bound to its node and
 * attached to it, ends what is deleted and confirms that, all by what it last read. It admits nothing
 * on a node with NoExecute, and knows no pods before it has reached the API.
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
        this.#startWithoutAsking();
      }
      this.#sync();
    });
  }

  end(): void {
    const { machine } = this.#boot;
    const { world } = machine;
    const queuedMs = machine.queuedIoUntilMs - world.timeline.nowMs;
    if (queuedMs <= 0) {
      this.#stopAll();
      return;
    }
    world.timeline.after(queuedMs, () => this.#stopAll());
  }

  #sync(): void {
    const boot = this.#boot;
    if (!boot.alive) {
      return;
    }
    const { machine } = boot;
    const { timeline, api, invariants } = machine.world;
    const { nowMs } = timeline;
    timeline.after(SYNC_EVERY_MS, () => this.#sync());
    if (!this.#reaches()) {
      return;
    }
    this.#register();
    setReady(machine.world, machine.nodeName, "True", {
      bootID: boot.bootID,
      systemUUID: machine.machineID,
    });
    api.heardMs.set(machine.nodeName, nowMs);
    if (!this.#agentStarted) {
      this.#agentStarted = true;
      boot.startAgent(machine.random.between(500, 3_000));
    }
    const node = api.nodes.get(machine.nodeName)!;
    const admits = !isTaintedNoExecute(node);
    if (admits) {
      this.heldPodsUnder = node.metadata.uid ?? "";
      invariants.admitted(boot);
    }
    const seen = this.#look();
    this.#tellMounted(seen);
    timeline.after(machine.random.next() * ACTS_WITHIN_MS, () => {
      if (boot.alive && !boot.shuttingDown) {
        this.#act(seen, admits);
      }
    });
  }

  #reaches(): boolean {
    const { machine, frozenUntilMs, shuttingDown } = this.#boot;
    const { nowMs } = machine.world.timeline;
    return nowMs >= frozenUntilMs && !shuttingDown && nowMs >= machine.kubeletCutUntilMs;
  }

  /** A kubelet whose Node was deleted registers a new one, without any taint. */
  #register(): void {
    const { machine } = this.#boot;
    if (machine.world.api.nodes.get(machine.nodeName) === null) {
      machine.world.say?.(`${machine.nodeName} registers its Node anew`);
      machine.world.api.createNode(machine.nodeName);
    }
  }

  #look(): Seen[] {
    const { nodeName, world } = this.#boot.machine;
    const { api, workloads } = world;
    const seen: Seen[] = [];
    for (const volume of workloads.volumes) {
      const pod = api.pods.get(volume.podName);
      if (pod?.spec?.nodeName === nodeName) {
        const attachment = api.volumeAttachments.get(volume.name);
        seen.push({ volume, pod, attached: attachment?.spec?.nodeName === nodeName });
      }
    }
    return seen;
  }

  /** Told before it is mounted, so that nobody takes it away unasked. */
  #tellMounted(seen: readonly Seen[]): void {
    const { machine } = this.#boot;
    const { api, workloads } = machine.world;
    const names = [
      ...workloads.writtenBy(this.#boot).map(({ name }) => name),
      ...seen.filter(({ attached }) => attached).map(({ volume }) => volume.name),
    ];
    api.volumesInUse.set(machine.nodeName, new Set(names));
  }

  #act(seen: readonly Seen[], admits: boolean): void {
    const boot = this.#boot;
    const { workloads, api } = boot.machine.world;
    for (const volume of workloads.volumes) {
      const found = seen.find((known) => known.volume === volume);
      const { uid = "", deletionTimestamp } = found?.pod.metadata ?? {};
      const goesOn = found !== undefined && deletionTimestamp === undefined;
      workloads.stop(volume, boot, goesOn ? uid : null);
      if (goesOn && admits && found.attached) {
        workloads.start(volume, boot, uid);
      } else if (found !== undefined && !goesOn && this.#reaches()) {
        const now = api.pods.get(volume.podName);
        if (now?.metadata.uid === uid) {
          api.pods.remove(volume.podName);
        }
      }
    }
  }

  #startWithoutAsking(): void {
    const { machine } = this.#boot;
    const { workloads } = machine.world;
    for (const volume of workloads.volumes) {
      if (volume.name === `volume-${machine.node}`) {
        workloads.start(volume, this.#boot, "from-disk");
      }
    }
  }

  #stopAll(): void {
    const { workloads } = this.#boot.machine.world;
    for (const volume of workloads.volumes) {
      workloads.stop(volume, this.#boot, null);
    }
  }
}

function isTaintedNoExecute(node: KubeNode): boolean {
  return (node.spec?.taints ?? []).some(({ effect }) => effect === "NoExecute");
}
