import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { resolveModules } from "./kernel-modules.ts";

test("modules come after what they depend on, once each, and a missing one is named", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "modules-"));
  t.after(() => {
    rmSync(folder, { recursive: true });
  });
  mkdirSync(join(folder, "kernel/drivers"), { recursive: true });
  const module = (name: string, depends: string): void => {
    const info = `license=GPL\0depends=${depends}\0name=${name}\0`;
    writeFileSync(join(folder, "kernel/drivers", `${name}.ko`), `ELF\0${info}`);
  };
  module("virtio_blk", "virtio,virtio_ring");
  module("virtio_ring", "virtio");
  module("virtio", "");
  module("mfd-core", "");
  module("lpc_ich", "mfd-core");
  module("orphan", "nowhere");
  const names = (...wanted: string[]): string[] =>
    resolveModules(folder, wanted).map((found) => found.name);
  assert.deepEqual(names("virtio_blk"), ["virtio", "virtio_ring", "virtio_blk"]);
  assert.deepEqual(names("lpc_ich", "virtio_ring"), [
    "mfd_core",
    "lpc_ich",
    "virtio",
    "virtio_ring",
  ]);
  assert.throws(() => names("orphan"), /no module 'nowhere'/);
});
