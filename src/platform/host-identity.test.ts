import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";

import { HostIdentityError, isVirtualMachine, readBootID, readMachineID } from "./host-identity.ts";
import { hostTree } from "./testing/temporary-directory.ts";

const BOOT_ID = "proc/sys/kernel/random/boot_id";
const DMI = "sys/class/dmi/id/product_uuid";
const MACHINE_ID = "etc/machine-id";
const OWN = "3d1219c7c4c5404aaa1f6d2a48adfda4";

function hasCode(code: string) {
  return (error: unknown) => error instanceof HostIdentityError && error.code === code;
}

test("the boot ID is the kernel's, in lower case", () => {
  const root = hostTree({ [BOOT_ID]: "8C1D4C6E-93E0-4B9B-9C5A-0A6B3B1F7E21\n" });
  assert.equal(readBootID(root), "8c1d4c6e-93e0-4b9b-9c5a-0a6b3b1f7e21");
  assert.equal(readBootID(), fs.readFileSync(`/${BOOT_ID}`, "utf8").trim());
});

test("a boot without an ID cannot be told from others, and says so", () => {
  assert.throws(() => readBootID(hostTree({})), hasCode("BOOT_ID_UNREADABLE"));
  assert.throws(() => readBootID(hostTree({ [BOOT_ID]: "\n" })), hasCode("BOOT_ID_INVALID"));
});

test("the machine is known by its DMI UUID", () => {
  const root = hostTree({
    [DMI]: "4C4C4544-0042-3510-8054-B7C04F4D3233\n",
    [MACHINE_ID]: `${OWN}\n`,
  });
  assert.deepEqual(readMachineID(root), {
    machineID: "4c4c4544004235108054b7c04f4d3233",
    source: "dmi",
  });
});

test("a DMI UUID that many machines share gives way to /etc/machine-id", () => {
  for (const shared of [
    "00000000-0000-0000-0000-000000000000",
    "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
    "FEFEFEFE-FEFE-FEFE-FEFE-FEFEFEFEFEFE",
    "03000200-0400-0500-0006-000700080009",
    "Not Settable",
    "",
  ]) {
    const root = hostTree({ [DMI]: shared, [MACHINE_ID]: `${OWN}\n` });
    assert.deepEqual(readMachineID(root), { machineID: OWN, source: "machine-id" }, shared);
  }
});

test("a machine with neither is refused with what to do", () => {
  for (const tree of [{}, { [MACHINE_ID]: "uninitialized\n" }, { [DMI]: "0".repeat(32) }]) {
    assert.throws(() => readMachineID(hostTree(tree)), hasCode("NO_MACHINE_ID"));
  }
  assert.throws(() => readMachineID(hostTree({})), /systemd-machine-id-setup/);
});

test("a machine is one of its own only where processor and DMI both show it", () => {
  const CPU = "proc/cpuinfo";
  const VENDOR = "sys/class/dmi/id/sys_vendor";
  const PRODUCT = "sys/class/dmi/id/product_name";
  const bare = { [CPU]: "processor\t: 0\nflags\t\t: fpu vme sse2\n", [VENDOR]: "Dell Inc.\n" };
  assert.equal(isVirtualMachine(hostTree({ ...bare, [PRODUCT]: "PowerEdge R640\n" })), false);
  for (const [why, tree] of Object.entries({
    "the hypervisor bit": { ...bare, [CPU]: "flags\t\t: fpu hypervisor sse2\n" },
    "a hypervisor's product": { ...bare, [PRODUCT]: "Virtual Machine\n" },
    "a hypervisor's vendor, its bit hidden": { ...bare, [VENDOR]: "QEMU\n" },
    "no DMI": { [CPU]: bare[CPU] },
    "no flags, as on arm64": { ...bare, [CPU]: "processor\t: 0\nFeatures\t: fp asimd\n" },
    "no /proc": { [VENDOR]: "Dell Inc.\n" },
  })) {
    assert.equal(isVirtualMachine(hostTree(tree)), true, why);
  }
});
