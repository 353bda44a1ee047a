/**
 * A guest's watchdog. `i6300esb` and `iTCO_wdt` are emulated hardware, which QEMU lets reset the
 * guest; `softdog` is a timer in the guest's own kernel. `none` leaves the guest without.
 */
export type GuestWatchdog = {
  readonly driver: "i6300esb" | "softdog" | "iTCO_wdt" | "none";
  /** Module parameters, e.g. `{ nowayout: "1" }`. */
  readonly parameters: Readonly<Record<string, string>>;
};

/** A program that a guest runs and restarts, as a kubelet does a container. */
export type GuestService = {
  /** Short: it heads the service's lines on the console. */
  readonly name: string;
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Seconds from its end to its next start; `never` runs it once. */
  readonly restartSeconds: number | "never";
};

/** What a boot of a guest is told. It is read at each boot, so the next boot may be told another. */
export type GuestSettings = {
  readonly watchdog: GuestWatchdog;
  readonly services: readonly GuestService[];
};

/** Size of the disk that carries the settings. */
export const settingsDiskBytes = 64 << 10;

/** The settings as the shell fragment that the guest's first process reads, padded with zeros. */
export function settingsBlock(hostname: string, settings: GuestSettings): Buffer {
  const { watchdog, services } = settings;
  const lines = [`hostname ${quoted(hostname)}`];
  if (watchdog.driver !== "none") {
    // The emulated chipset offers its watchdog through this one's device, not by a dependency.
    if (watchdog.driver === "iTCO_wdt") lines.push("load lpc_ich");
    const parameters = Object.entries(watchdog.parameters).map(([key, value]) => `${key}=${value}`);
    lines.push(["load", watchdog.driver, ...parameters.map(quoted)].join(" "));
  }
  for (const service of services) {
    const environment = Object.entries(service.environment).map(([key, value]) =>
      quoted(`${key}=${value}`),
    );
    const command = ["env", ...environment, ...service.argv.map(quoted)].join(" ");
    lines.push(["service", service.name, service.restartSeconds, quoted(command)].join(" "));
  }
  const text = Buffer.from(`${lines.join("\n")}\n`);
  if (text.length > settingsDiskBytes) {
    throw new Error(
      `Settings of ${text.length} bytes: the guest's disk for them holds ${settingsDiskBytes}.`,
    );
  }
  const block = Buffer.alloc(settingsDiskBytes);
  text.copy(block);
  return block;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
