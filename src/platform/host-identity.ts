import fs from "node:fs";
import { join } from "node:path";

/**
 * - `BOOT_ID_UNREADABLE`    the kernel's boot ID cannot be read
 * - `BOOT_ID_INVALID`       it is not a UUID
 * - `NO_MACHINE_ID`         neither DMI nor /etc/machine-id tells this machine from others
 */
export type HostIdentityErrorCode = "BOOT_ID_UNREADABLE" | "BOOT_ID_INVALID" | "NO_MACHINE_ID";

/** Thrown where this boot or this machine cannot be named. */
export class HostIdentityError extends Error {
  override readonly name = "HostIdentityError";
  readonly code: HostIdentityErrorCode;

  constructor(code: HostIdentityErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** 32 lower-case hex digits, and where they are from. */
export type MachineID = { readonly machineID: string; readonly source: "dmi" | "machine-id" };

const BOOT_ID_FILE = "proc/sys/kernel/random/boot_id";
const DMI_FILE = "sys/class/dmi/id/product_uuid";
const MACHINE_ID_FILE = "etc/machine-id";
const CPU_FILE = "proc/cpuinfo";
const DMI_TEXT_FILES = ["sys_vendor", "product_name", "board_vendor", "bios_vendor"].map(
  (name) => `sys/class/dmi/id/${name}`,
);
/** What hypervisors write there, as systemd-detect-virt knows it. */
const HYPERVISOR =
  /qemu|kvm|bochs|seabios|xen|hvm domu|vmware|virtualbox|innotek|virtual machine|hyper-v|bhyve|parallels|openstack|kubevirt|rhev|ovirt|google compute engine|amazon ec2|apple virtualization|nutanix|alibaba cloud|tencent cloud/i;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** UUIDs that board makers ship on every board of a model. */
const SHARED_DMI_IDS: ReadonlySet<string> = new Set([
  "03000200040005000006000700080009",
  "00020003000400050006000700080009",
  "030201000504070608090a0b0c0d0e0f",
  "000102030405060708090a0b0c0d0e0f",
  "0123456789abcdef0123456789abcdef",
  "11111111222233334444555555555555",
  "1234567812341234123412345678abcd",
  "4c4c454400002010802080c04f202020",
]);

/**
 * The kernel's name for this boot, a lower-case UUID with dashes.
 *
 * @throws HostIdentityError `BOOT_ID_UNREADABLE`, `BOOT_ID_INVALID`
 */
export function readBootID(hostRoot = "/"): string {
  const path = join(hostRoot, BOOT_ID_FILE);
  let bootID: string;
  try {
    bootID = fs.readFileSync(path, "utf8").trim().toLowerCase();
  } catch (cause) {
    throw new HostIdentityError(
      "BOOT_ID_UNREADABLE",
      `Cannot read the boot ID from ${path} (${String(cause)}), so a fence message for this boot ` +
        `could not be told from one for an earlier boot, and this node is not protected. ` +
        `/proc must be mounted.`,
      { cause },
    );
  }
  if (UUID.test(bootID)) return bootID;
  throw new HostIdentityError(
    "BOOT_ID_INVALID",
    `The boot ID in ${path} is '${bootID}' and not a UUID, so this node is not protected. ` +
      `/proc must be the kernel's.`,
  );
}

/**
 * What tells this machine from others, whatever it is called and however often it boots: the DMI
 * product UUID unless it is one that many machines share, else /etc/machine-id.
 *
 * @throws HostIdentityError `NO_MACHINE_ID`
 */
export function readMachineID(hostRoot = "/"): MachineID {
  const dmi = readHexID(join(hostRoot, DMI_FILE));
  if (dmi !== null && !isShared(dmi)) return { machineID: dmi, source: "dmi" };
  const machineID = readHexID(join(hostRoot, MACHINE_ID_FILE));
  if (machineID !== null && !isShared(machineID)) return { machineID, source: "machine-id" };
  throw new HostIdentityError(
    "NO_MACHINE_ID",
    `Neither ${join(hostRoot, DMI_FILE)} nor ${join(hostRoot, MACHINE_ID_FILE)} holds an ID of this ` +
      `machine's own, so its reboots could not be told from another machine's, and this node is ` +
      `not protected. Create one with 'systemd-machine-id-setup' on the host.`,
  );
}

/**
 * The machine is virtual, or nothing shows that it is not: its hypervisor may start it a second time
 * while it runs. Only a processor that lists its flags without `hypervisor`, under a DMI that names a
 * maker and no hypervisor, is taken for a machine of its own; architectures whose /proc/cpuinfo has no
 * such flag never are.
 *
 * Source: CPUID leaf 1, ECX bit 31; `arch/x86/kernel/cpu/proc.c`.
 */
export function isVirtualMachine(hostRoot = "/"): boolean {
  const flags = /^flags\s*:(.*)$/m.exec(readText(join(hostRoot, CPU_FILE)))?.[1] ?? null;
  if (flags === null || flags.trim().split(/\s+/).includes("hypervisor")) {
    return true;
  }
  const told = DMI_TEXT_FILES.map((file) => readText(join(hostRoot, file)).trim());
  return told[0] === "" || told.some((text) => HYPERVISOR.test(text));
}

/** Empty where it cannot be read. */
function readText(path: string): string {
  try {
    return fs.readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** 32 hex digits, or null where the file has anything else or is not there. */
function readHexID(path: string): string | null {
  try {
    const digits = fs.readFileSync(path, "utf8").trim().toLowerCase().replaceAll("-", "");
    return /^[0-9a-f]{32}$/.test(digits) ? digits : null;
  } catch {
    return null;
  }
}

function isShared(id: string): boolean {
  const isOneByteRepeated = id === id.slice(0, 2).repeat(16);
  return isOneByteRepeated || SHARED_DMI_IDS.has(id);
}
