import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { openSync } from "node:fs";
import { createServer } from "node:net";
import type { Socket } from "node:net";
import { join } from "node:path";
import { bounded } from "./bounded.ts";
import { Console } from "./console.ts";
import { GuestChannel } from "./guest-channel.ts";
import type { GuestBoot, GuestOutput } from "./guest-channel.ts";
import { settingsBlock, settingsDiskBytes } from "./guest-settings.ts";
import type { GuestSettings } from "./guest-settings.ts";
import { monoMs } from "./monotonic.ts";
import { Qmp } from "./qmp.ts";
import type { QmpEvent } from "./qmp.ts";
import type { QemuPackages } from "./qemu-packages.ts";
import { SharedDisk } from "./shared-disk.ts";
import type { DiskPort } from "./shared-disk.ts";

/** What a guest may have instead of what it usually has. */
export type GuestHardware = {
  readonly memoryMib?: number;
  /** More arguments of its kernel. */
  readonly kernelArguments?: readonly string[];
  /** Path of the raw image of a disk of its own, serial "root", which keeps what is written to it. */
  readonly rootImage?: string;
};

/** What a guest is started with. */
export type GuestOptions = {
  readonly name: string;
  /** The machine's DMI product UUID, its identity over all boots. */
  readonly machineId: string;
  readonly settings: GuestSettings;
  readonly packages: QemuPackages;
  readonly initramfs: string;
  /** Short path (sockets lie in it) of a folder that outlives the guest. */
  readonly folder: string;
  /** The disk that the guest knows as /dev/sbd-watchdog. */
  readonly sbdDisk: SharedDisk;
  /** Its logical block size. */
  readonly sbdBlockBytes: 512 | 4096;
  /** The disk that the guest knows as /dev/workload. */
  readonly workloadDisk: SharedDisk;
  readonly hardware?: GuestHardware;
};

const MEMORY_MIB = 768;
const CONNECT_BOUND_MS = 20_000;
const COMMAND_BOUND_MS = 20_000;
/** How long QEMU may be deaf while requests are held, before that is taken for a reset. */
const DEAF_MS = 1000;

/**
 * A virtual machine with a watchdog that resets it, two shared disks, a network card whose 10.0.2.2
 * is this machine's loopback, and a serial console. After a reset it boots again.
 */
export class Guest {
  readonly name: string;
  readonly machineId: string;
  readonly console: Console;
  readonly qmp: Qmp;
  /** This guest's way to /dev/sbd-watchdog: faults go here. */
  readonly sbdPort: DiskPort;
  /** This guest's way to /dev/workload. */
  readonly workloadPort: DiskPort;
  /** Times at which held requests were refused, because QEMU would not reset before. */
  readonly drainsMs: number[] = [];
  readonly #process: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #channel: GuestChannel;
  readonly #settingsDisk: SharedDisk;
  readonly #drainWatch: NodeJS.Timeout;
  #isOff = false;

  private constructor(
    options: GuestOptions,
    parts: {
      readonly process: ChildProcess;
      readonly exited: Promise<void>;
      readonly console: Console;
      readonly qmp: Qmp;
      readonly channel: GuestChannel;
      readonly sbdPort: DiskPort;
      readonly workloadPort: DiskPort;
      readonly settingsDisk: SharedDisk;
    },
  ) {
    this.name = options.name;
    this.machineId = options.machineId;
    this.#process = parts.process;
    this.#exited = parts.exited;
    this.console = parts.console;
    this.qmp = parts.qmp;
    this.#channel = parts.channel;
    this.sbdPort = parts.sbdPort;
    this.workloadPort = parts.workloadPort;
    this.#settingsDisk = parts.settingsDisk;
    this.#drainWatch = this.#watchForDrain();
    this.qmp.onEvent((event) => {
      if (event.name === "WATCHDOG") this.#drain();
      if (event.name === "RESET") this.#channel.forgetPending("the guest was reset");
    });
  }

  /** Starts the machine; it is connected when this resolves, and not yet booted. */
  static async start(options: GuestOptions): Promise<Guest> {
    const { name, folder } = options;
    const socket = (kind: string): string => join(folder, `${name}-${kind}.sock`);
    const settingsDisk = new SharedDisk(join(folder, `${name}-settings.img`), settingsDiskBytes);
    settingsDisk.write(0, settingsBlock(name, options.settings));
    await settingsDisk.open(name, socket("settings"));
    const sbdPort = await options.sbdDisk.open(name, socket("sbd"));
    const workloadPort = await options.workloadDisk.open(name, socket("workload"));
    const qmpSocket = await firstConnection(socket("qmp"));
    const channelSocket = await firstConnection(socket("control"));

    const stderr = openSync(join(folder, `${name}-qemu.log`), "a");
    // Dying with its parent is the kernel's business, so that it holds when this process is killed.
    const process = spawn(
      "setpriv",
      ["--pdeathsig", "KILL", "--", options.packages.qemu, ...qemuArguments(options, socket)],
      { stdio: ["ignore", "pipe", stderr] },
    );
    const exited = new Promise<void>((resolve) => {
      process.once("exit", () => {
        resolve();
      });
    });
    if (process.stdout === null)
      throw new Error("QEMU was started without a pipe for its console.");
    const console = new Console(process.stdout, join(folder, `${name}-console.log`));
    const dead = exited.then(() => {
      throw new Error(`QEMU for ${name} ended at once: see ${join(folder, `${name}-qemu.log`)}.`);
    });
    const connected = Promise.all([qmpSocket.connection, channelSocket.connection]);
    let qmp: Qmp;
    let channel: GuestChannel;
    try {
      const [qmpEnd, channelEnd] = await bounded(
        Promise.race([connected, dead]),
        CONNECT_BOUND_MS,
        `QEMU for ${name} to connect`,
      );
      qmp = new Qmp(qmpEnd);
      channel = new GuestChannel(channelEnd);
      await Promise.race([qmp.command("qmp_capabilities"), dead]);
    } catch (error) {
      process.kill("SIGKILL");
      throw error;
    }
    // From here on its end is somebody's wish.
    dead.catch(() => undefined);
    return new Guest(options, {
      process,
      exited,
      console,
      qmp,
      channel,
      sbdPort,
      workloadPort,
      settingsDisk,
    });
  }

  /** Every boot that came up, oldest first. */
  get boots(): readonly GuestBoot[] {
    return this.#channel.boots;
  }

  /** The boot that is up, or was last. Throws before the first one. */
  get bootId(): string {
    const boot = this.boots.at(-1);
    if (boot === undefined) throw new Error(`${this.name} has not booted yet.`);
    return boot.bootId;
  }

  /** Resets so far, whoever caused them: `data.reason` and `data.guest` tell. */
  get resets(): QmpEvent[] {
    return this.qmp.events.filter((event) => event.name === "RESET");
  }

  /** The first boot that came up after `sinceMs`. */
  async booted(sinceMs: number, boundMs: number): Promise<GuestBoot> {
    return await this.#channel.boot(sinceMs, boundMs);
  }

  /** The first reset after `sinceMs`. */
  async reset(sinceMs: number, boundMs: number): Promise<QmpEvent> {
    return await this.qmp.event("RESET", sinceMs, boundMs);
  }

  /** Runs a shell script in the guest and returns what it printed; throws when it fails. */
  async shell(script: string, boundMs = COMMAND_BOUND_MS): Promise<string> {
    const { status, output } = await this.tryShell(script, boundMs);
    if (status !== 0) throw new Error(`'${script}' failed on ${this.name} (${status}): ${output}`);
    return output;
  }

  /** Runs a shell script in the guest, whatever it comes to. */
  async tryShell(script: string, boundMs = COMMAND_BOUND_MS): Promise<GuestOutput> {
    return await this.#channel.run(script, boundMs);
  }

  /** Sends a service's process a signal, e.g. `KILL`; its process group with it. */
  async signal(service: string, signal: "STOP" | "CONT" | "TERM" | "KILL"): Promise<void> {
    await this.shell(`kill -${signal} -$(cat /run/vm/${service}.pid)`);
  }

  /** Changes what the next boot is told. */
  configure(settings: GuestSettings): void {
    this.#settingsDisk.write(0, settingsBlock(this.name, settings));
  }

  /** Stops the machine's clock and processor, as a hypervisor does when it migrates one. */
  async pause(): Promise<void> {
    await this.qmp.command("stop");
  }

  async resume(): Promise<void> {
    await this.qmp.command("cont");
  }

  /** Takes the network card's carrier away. Disks and console stay. */
  async cutNetwork(): Promise<void> {
    await this.qmp.command("set_link", { name: "nic", up: false });
  }

  async restoreNetwork(): Promise<void> {
    await this.qmp.command("set_link", { name: "nic", up: true });
  }

  /** Takes /dev/sbd-watchdog away as one pulls a disk; resolves once the guest has let go of it. */
  async unplugSbdDisk(): Promise<void> {
    const asked = monoMs();
    await this.qmp.command("device_del", { id: "sbd" });
    await this.qmp.event("DEVICE_DELETED", asked, COMMAND_BOUND_MS);
  }

  /** Sends a non-maskable interrupt. */
  async injectNmi(): Promise<void> {
    await this.qmp.command("inject-nmi");
  }

  /** Presses the reset button. */
  async pressReset(): Promise<void> {
    await this.qmp.command("system_reset");
  }

  /** Cuts the power: the machine is gone. `Cluster.start` makes it anew, same identity. */
  async cutPower(): Promise<void> {
    if (this.#isOff) return;
    this.#isOff = true;
    clearInterval(this.#drainWatch);
    this.#process.kill("SIGKILL");
    await this.#exited;
    this.qmp.close();
    this.#channel.close();
    this.sbdPort.close();
    this.workloadPort.close();
    this.#settingsDisk.close();
  }

  /**
   * QEMU completes a disk's requests before it resets or pauses the machine, and is deaf meanwhile.
   * With one held here that would never end, though the guest no longer runs: so refuse it then.
   */
  #watchForDrain(): NodeJS.Timeout {
    let askedMs: number | undefined;
    const timer = setInterval(() => {
      if (this.sbdPort.unanswered + this.workloadPort.unanswered === 0) return;
      if (askedMs === undefined) {
        askedMs = monoMs();
        const forget = (): void => {
          askedMs = undefined;
        };
        this.qmp.command("query-status").then(forget, forget);
      } else if (monoMs() - askedMs > DEAF_MS) this.#drain();
    }, 100);
    return timer;
  }

  #drain(): void {
    if (this.sbdPort.unanswered + this.workloadPort.unanswered === 0) return;
    this.drainsMs.push(monoMs());
    this.sbdPort.failHeld();
    this.workloadPort.failHeld();
  }
}

function qemuArguments(options: GuestOptions, socket: (kind: string) => string): string[] {
  const { name, packages, settings, hardware = {} } = options;
  const { memoryMib = MEMORY_MIB, kernelArguments = [], rootImage } = hardware;
  const isQ35 = settings.watchdog.driver === "iTCO_wdt";
  const disk = (serial: string, bus: readonly string[]): string[] => [
    "-blockdev",
    `driver=nbd,node-name=${serial}-node,server.type=unix,server.path=${socket(serial)}`,
    "-device",
    [
      "virtio-blk-pci",
      `id=${serial}`,
      `drive=${serial}-node`,
      `serial=${serial}`,
      "rerror=report",
      "werror=report",
      ...bus,
    ].join(","),
  ];
  const argumentLines = [
    ["-name", name, "-uuid", options.machineId],
    ["-machine", isQ35 ? "q35" : "pc", "-accel", "tcg,thread=multi"],
    // Stands in for a machine of its own: nobody starts it twice. Without what is dear to emulate: keys and
    // bits that flush the TLB, and strings that are moved byte by byte.
    ["-cpu", "max,-hypervisor,-pku,-erms,-smap", "-smbios", "type=0,vendor=Stand-in"],
    ["-smbios", "type=1,manufacturer=Stand-in Machines,product=Stand-in"],
    ["-smp", "1", "-m", String(memoryMib)],
    ["-nodefaults", "-no-user-config", "-display", "none"],
    ["-kernel", packages.kernel, "-initrd", options.initramfs],
    ["-append", [...KERNEL_ARGUMENTS, ...kernelArguments].join(" ")],
    ["-action", "reboot=reset,watchdog=reset,panic=none"],
    ["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"],
    ["-chardev", `socket,id=qmp,path=${socket("qmp")}`, "-mon", "chardev=qmp,mode=control"],
    ["-device", "virtio-serial-pci"],
    ["-chardev", `socket,id=control,path=${socket("control")}`],
    ["-device", "virtserialport,chardev=control,name=control"],
    ["-netdev", "user,id=net", "-device", "virtio-net-pci,id=nic,netdev=net,romfile="],
    isQ35 ? ["-global", "ICH9-LPC.noreboot=off", "-device", "pcie-root-port,id=sbd-root"] : [],
    settings.watchdog.driver === "i6300esb" ? ["-device", "i6300esb"] : [],
    rootImage === undefined
      ? []
      : [
          "-drive",
          `file=${rootImage},format=raw,if=none,id=root-node,cache=unsafe,aio=threads`,
          "-device",
          "virtio-blk-pci,drive=root-node,serial=root",
        ],
    disk("settings", []),
    disk("workload", []),
    // Last, so that the partition scan of this disk, should it hang, keeps no other from appearing.
    disk("sbd", [
      `logical_block_size=${options.sbdBlockBytes},physical_block_size=4096`,
      ...(isQ35 ? ["bus=sbd-root"] : []),
    ]),
  ];
  return argumentLines.flat();
}

const KERNEL_ARGUMENTS = [
  "console=ttyS0",
  "loglevel=5",
  "random.trust_cpu=on",
  "mitigations=off",
  "no_timer_check",
  "clearcpuid=rep_good",
];

async function firstConnection(path: string): Promise<{ readonly connection: Promise<Socket> }> {
  const server = createServer();
  const connection = new Promise<Socket>((resolve) => {
    server.once("connection", (socket) => {
      server.close();
      resolve(socket);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  return { connection };
}
