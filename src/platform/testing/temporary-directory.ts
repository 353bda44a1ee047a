import fs from "node:fs";
import os from "node:os";
import { join } from "node:path";

const directories = new Set<string>();

/** A new directory, gone when this process ends, also by SIGTERM or SIGINT. */
export function temporaryDirectory(): string {
  const directory = fs.mkdtempSync(join(os.tmpdir(), "sbd-platform-"));
  if (directories.size === 0) {
    process.once("exit", removeAll);
    process.once("SIGTERM", () => process.exit(143));
    process.once("SIGINT", () => process.exit(130));
  }
  directories.add(directory);
  return directory;
}

function removeAll(): void {
  for (const directory of directories) fs.rmSync(directory, { recursive: true, force: true });
}

/** A file's content, or where a link leads. */
export type TreeEntry = string | { readonly link: string };

/** A directory to pass as a host root: entries by path. */
export function hostTree(entries: Readonly<Record<string, TreeEntry>>): string {
  const root = temporaryDirectory();
  for (const [path, entry] of Object.entries(entries)) {
    const full = join(root, path);
    fs.mkdirSync(join(full, ".."), { recursive: true });
    if (typeof entry === "string") fs.writeFileSync(full, entry);
    else fs.symlinkSync(entry.link, full);
  }
  return root;
}
