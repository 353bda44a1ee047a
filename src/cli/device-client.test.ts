import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

import { CliError } from "./cli-error.ts";
import { openDeviceClient } from "./device-client.ts";

/** Has processes that are started meanwhile run `source` before anything else. */
async function startingWith<Result>(
  folder: string,
  source: string,
  meanwhile: () => Promise<Result>,
): Promise<Result> {
  const first = join(folder, "first.mjs");
  writeFileSync(first, source);
  const before = process.env["NODE_OPTIONS"];
  process.env["NODE_OPTIONS"] = `${before ?? ""} --import=${pathToFileURL(first).href}`;
  try {
    return await meanwhile();
  } finally {
    if (before === undefined) delete process.env["NODE_OPTIONS"];
    else process.env["NODE_OPTIONS"] = before;
  }
}

test("a device is open once its process runs: the time that takes is none of the device's", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sbd-device-client-"));
  const started = join(folder, "started");
  try {
    const client = await startingWith(
      folder,
      `import { writeFileSync } from "node:fs";
       import { setTimeout } from "node:timers/promises";
       await setTimeout(500);
       writeFileSync(${JSON.stringify(started)}, "");`,
      async () => await openDeviceClient(join(folder, "device")),
    );
    assert.equal(existsSync(started), true);
    await client.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a process that ends at its start says so, and not that the device is silent", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sbd-device-client-"));
  try {
    await startingWith(folder, "process.exit(3);", async () => {
      await assert.rejects(openDeviceClient(join(folder, "device")), (error) => {
        assert.ok(error instanceof CliError);
        assert.equal(error.code, "DEVICE");
        assert.match(error.message, /ended \(3\)/);
        return true;
      });
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
