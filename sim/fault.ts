/**
 * What can go wrong. One flat shape for all, so that a schedule is a list that can be printed, edited,
 * shrunk and run again.
 */
export type Fault = {
  readonly atMs: number;
  readonly kind: FaultKind;
  /** 1-based; 0 where no node is meant. */
  readonly node: number;
  /** How long it lasts; 0 where it has no length. */
  readonly forMs: number;
  /** What more the kind needs, see `FAULTS`. */
  readonly detail: number;
};

/** Inside: the claim holds under any number of them. Outside: named in the design as breaking it. */
export type FaultScope = "inside" | "outside";

export type FaultFacts = {
  readonly scope: FaultScope;
  /** What `detail` means; empty where it means nothing. */
  readonly detail: string;
  readonly says: string;
};

export const FAULTS = {
  "path-slow": inside("every I/O of the node takes so many ms more", "ms"),
  "path-eio": inside("every I/O of the node fails"),
  "path-hang": inside("the node's I/O hangs, then goes on"),
  "array-slow": inside("every I/O of every node takes so many ms more", "ms"),
  "array-eio": inside("every I/O of every node fails"),
  "array-hang": inside("every node's I/O hangs, then goes on"),
  "lost-write": inside("the node's next writes report success and never land", "writes"),
  "late-write": inside("the node's next write fails, and lands so many ms later", "ms"),
  "torn-write": inside(
    "the node's next writes fail half way and leave the slot unreadable",
    "writes",
  ),
  "garbage-heartbeat": inside("the node's heartbeat slot is overwritten with garbage"),
  "garbage-fence": inside("the node's fence slot is overwritten with garbage"),
  "blind-fence": inside("the node reads its own fence slot as unreadable"),
  "garbage-header": inside("the device header is garbage, then itself again"),
  "blank-device": inside("the node's path leads to a blank device"),
  "foreign-device": inside("the node's path leads to another cluster's device"),
  "go-message": inside("a Go fencer orders the node dead, naming no boot"),
  "agent-kill": inside("the agent dies before its n-th next effect; 0 = at once", "effects"),
  "agent-kill-loop": inside("the agent dies every so many ms", "ms"),
  "agent-kill-latched": inside("the agent dies so many ms after it has latched", "ms"),
  "agent-away": inside("the agent dies and is not started again for as long"),
  "agent-stall": inside("the agent's JavaScript gets no event; its petter goes on"),
  "agent-stop": inside(
    "the agent's process is stopped, petter and all; detail 1: then killed",
    "kill",
  ),
  "worker-died": inside("the agent's disk worker dies and is replaced"),
  rollout: inside("SIGTERM to the agent; it is killed after `for`, and a new pod follows"),
  "slot-move": inside("two leaders gave the node two slots: its next agent beats in the other"),
  "fence-write": inside(
    "fence messages that the node writes: 1 = lost, 2 = torn, 3 = failed, 4 = failed and landing late",
    "fate",
  ),
  "contract-shorter": inside(
    "the device is initialised again with a third of T and W, and every agent but the node's restarts",
  ),
  "run-readonly": inside("/run cannot be written"),
  "sysrq-broken": inside("sysrq-b does nothing on this machine from now on"),
  reset: inside("the machine resets and boots again"),
  "power-off": inside("the machine is off for as long"),
  "os-freeze": inside("nothing runs on the node but its clock and its watchdog"),
  "suspend-short": inside("the machine sleeps, watchdog and all, for less than the slack"),
  reprovision: inside(
    "another machine takes the node's name; detail 1: the old one runs on without network or storage",
    "old runs on",
  ),
  "two-machines": inside(
    "another machine takes the node's name, and the old one runs on: its kubelet is cut off, its " +
      "storage comes back",
  ),
  "vm-clone": inside(
    "the node's virtual machine is started a second time after `for`, while the old one, without network, " +
      "runs on; detail 0: its storage is gone, 1: it comes back after a while",
    "storage",
  ),
  "vm-clone-beside": outside(
    "a clone with the node's name and machine ID is started beside it; both kubelets speak for the Node",
  ),
  "wall-step": inside("the wall clock steps by so many ms", "ms"),
  "network-cut": inside("neither kubelet nor agent of the node reach the API"),
  "agent-cut": inside("the node's agent does not reach the API"),
  "kubelet-cut": inside("the node's kubelet does not reach the API"),
  "leader-cut": inside("one leader does not reach the API; the other takes over", "which"),
  "leader-stale": inside("a leader works on old caches, all or some of them", "which"),
  "leader-restart": inside("an operator ends, and starts again without memory", "which"),
  "api-slow": inside("the API answers so many ms later", "ms"),
  "api-steady": inside("every request to the API takes exactly so many ms", "ms"),
  request: inside("somebody creates an SBDRemediation for the node"),
  "request-deleted": inside("every SBDRemediation for the node is deleted"),
  "request-again": inside("every SBDRemediation for the node is deleted and created anew"),
  "request-forced": inside("every SBDRemediation for the node is deleted, finalizers and all"),
  "request-timeout": inside("NodeHealthCheck gives every SBDRemediation for the node up"),
  "confirm-off": inside("an administrator switches the machine off for good and confirms it"),
  "confirm-true-word": inside(
    "an administrator says, truly, of the machine's last boot that is over that it is off",
  ),
  "node-deleted": inside("the Node object is deleted; its kubelet, if there, registers anew"),
  "vm-pause": outside("the virtual machine is paused, clocks, watchdog and all, and resumed"),
  "suspend-long": outside("the machine sleeps longer than the slack, watchdog and all"),
  "late-watchdog": outside("the watchdog takes so many times its effective W", "factor"),
  "split-storage": outside("the node's path leads to a half of the storage that answers alone"),
  "split-at-start": outside(
    "as split-storage, from a new start of the agent on; its first writes for `for` reach both halves",
  ),
  "queued-io": outside("data I/O of the node stays queued in the array beyond the node's death"),
  "two-kubelets": outside(
    "another machine takes the node's name, and the old one runs on; both kubelets speak for the Node",
  ),
  "admin-reboot": outside("an administrator calls reboot(2), which stops the watchdog and hangs"),
  "autonomous-kubelet": outside("the node's kubelet starts pods without asking the API"),
} as const satisfies Record<string, FaultFacts>;

export type FaultKind = keyof typeof FAULTS;

export const FAULT_KINDS = Object.keys(FAULTS) as FaultKind[];

/** `120.5 path-hang worker-2 for 60 ms=0` */
export function printFault(fault: Fault): string {
  const { detail } = FAULTS[fault.kind];
  return [
    (fault.atMs / 1_000).toFixed(3),
    fault.kind,
    ...(fault.node > 0 ? [`worker-${fault.node}`] : []),
    ...(fault.forMs > 0 ? [`for ${fault.forMs / 1_000}`] : []),
    ...(detail === "" ? [] : [`detail ${fault.detail}`]),
  ].join(" ");
}

/**
 * The reverse of `printFault`.
 *
 * @throws Error where the line is none
 */
export function parseFault(line: string): Fault {
  const words = line.trim().split(/\s+/);
  const [at = "", kind = "", ...rest] = words;
  const after = (word: string): number => {
    const index = rest.indexOf(word);
    return index === -1 ? 0 : Number(rest[index + 1]);
  };
  const named = rest.find((word) => word.startsWith("worker-"));
  const fault = {
    atMs: Math.round(Number(at) * 1_000),
    kind: kind as FaultKind,
    node: named === undefined ? 0 : Number(named.slice("worker-".length)),
    forMs: Math.round(after("for") * 1_000),
    detail: after("detail"),
  };
  if (!(kind in FAULTS) || Object.values(fault).some((value) => Number.isNaN(value))) {
    throw new Error(
      `'${line}' is no fault: expected 'SECONDS KIND [worker-N] [for SECONDS] [detail N]'`,
    );
  }
  return fault;
}

function inside(says: string, detail = ""): FaultFacts {
  return { scope: "inside", detail, says };
}

function outside(says: string, detail = ""): FaultFacts {
  return { scope: "outside", detail, says };
}
