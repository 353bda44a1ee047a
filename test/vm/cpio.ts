/** Something to put into an archive, at an absolute path in the guest. */
export type CpioEntry =
  | { readonly kind: "folder"; readonly path: string }
  | { readonly kind: "file"; readonly path: string; readonly mode: number; readonly data: Buffer }
  | { readonly kind: "link"; readonly path: string; readonly target: string }
  | {
      readonly kind: "characterDevice";
      readonly path: string;
      readonly major: number;
      readonly minor: number;
    };

/**
 * An archive in the kernel's initramfs format ("newc", see the kernel's
 * `driver-api/early-userspace/buffer-format`). Folders that entries need are added by themselves.
 */
export function cpio(entries: Iterable<CpioEntry>): Buffer {
  const chunks: Buffer[] = [];
  const folders = new Set<string>([""]);
  let inode = 1;
  const member = (path: string, mode: number, data: Buffer, major = 0, minor = 0): void => {
    const name = Buffer.from(`${path}\0`);
    const fields = [inode, mode, 0, 0, 1, 0, data.length, 0, 0, major, minor, name.length, 0];
    inode += 1;
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
    const head = Buffer.concat([Buffer.from(header), name]);
    chunks.push(head, padding(head.length), data, padding(data.length));
  };
  const ensureFolder = (path: string): void => {
    if (folders.has(path)) return;
    ensureFolder(parentOf(path));
    folders.add(path);
    member(path, 0o040755, Buffer.alloc(0));
  };
  for (const entry of entries) {
    const path = entry.path.replace(/^\/+/, "");
    if (entry.kind === "folder") {
      ensureFolder(path);
      continue;
    }
    ensureFolder(parentOf(path));
    switch (entry.kind) {
      case "file":
        member(path, 0o100000 | entry.mode, entry.data);
        break;
      case "link":
        member(path, 0o120777, Buffer.from(entry.target));
        break;
      case "characterDevice":
        member(path, 0o020600, Buffer.alloc(0), entry.major, entry.minor);
        break;
    }
  }
  member("TRAILER!!!", 0, Buffer.alloc(0));
  return Buffer.concat(chunks);
}

function parentOf(path: string): string {
  return path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
}

function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}
