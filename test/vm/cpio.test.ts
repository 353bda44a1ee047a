import assert from "node:assert/strict";
import { test } from "node:test";
import { cpio } from "./cpio.ts";

/** Reads an archive back as the kernel does: fixed hexadecimal fields, everything padded to 4. */
function members(archive: Buffer): { name: string; mode: number; data: string }[] {
  const found = [];
  for (let at = 0; ;) {
    assert.equal(archive.toString("latin1", at, at + 6), "070701");
    const field = (index: number): number =>
      Number.parseInt(archive.toString("latin1", at + 6 + index * 8, at + 14 + index * 8), 16);
    const nameEnd = at + 110 + field(11);
    const name = archive.toString("utf8", at + 110, nameEnd - 1);
    if (name === "TRAILER!!!") return found;
    const dataStart = (nameEnd + 3) & ~3;
    const data = archive.toString("utf8", dataStart, dataStart + field(6));
    found.push({ name, mode: field(1), data });
    at = (dataStart + field(6) + 3) & ~3;
  }
}

test("an archive holds its files, links and the folders they need, each folder once", () => {
  const archive = cpio([
    { kind: "file", path: "/a/b/c.txt", mode: 0o644, data: Buffer.from("hello") },
    { kind: "file", path: "/a/b/d", mode: 0o755, data: Buffer.alloc(0) },
    { kind: "link", path: "/bin/sh", target: "busybox" },
    { kind: "characterDevice", path: "/dev/console", major: 5, minor: 1 },
  ]);
  assert.deepEqual(members(archive), [
    { name: "a", mode: 0o040755, data: "" },
    { name: "a/b", mode: 0o040755, data: "" },
    { name: "a/b/c.txt", mode: 0o100644, data: "hello" },
    { name: "a/b/d", mode: 0o100755, data: "" },
    { name: "bin", mode: 0o040755, data: "" },
    { name: "bin/sh", mode: 0o120777, data: "busybox" },
    { name: "dev", mode: 0o040755, data: "" },
    { name: "dev/console", mode: 0o020600, data: "" },
  ]);
  assert.equal(archive.length % 4, 0, "a second archive may follow");
});
