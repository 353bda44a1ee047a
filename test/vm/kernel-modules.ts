import { readdirSync, readFileSync } from "node:fs";
import { basename, join, relative } from "node:path";

/** A module file and its place in the order of loading. */
export type KernelModule = {
  /** As the kernel spells it, with underscores. */
  readonly name: string;
  /** Path of the `.ko` on this machine. */
  readonly file: string;
  /** The same, relative to the modules' folder. */
  readonly path: string;
};

/**
 * The wanted modules and everything they depend on, each after what it depends on. The package
 * brings no `modules.dep` (installation would make it), so the dependencies are read where depmod
 * reads them: in each file's `.modinfo`. A name
 * without a file is an error.
 */
export function resolveModules(folder: string, wanted: readonly string[]): KernelModule[] {
  const files = new Map<string, string>();
  for (const entry of readdirSync(join(folder, "kernel"), {
    recursive: true,
    withFileTypes: true,
  })) {
    if (!entry.name.endsWith(".ko")) continue;
    files.set(moduleName(entry.name), join(entry.parentPath, entry.name));
  }
  const ordered: KernelModule[] = [];
  const seen = new Set<string>();
  const visit = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    const file = files.get(name);
    if (file === undefined) {
      throw new Error(`The kernel package holds no module '${name}': the guests cannot load it.`);
    }
    for (const dependency of moduleDependencies(readFileSync(file))) visit(dependency);
    ordered.push({ name, file, path: relative(folder, file) });
  };
  for (const name of wanted) visit(moduleName(name));
  return ordered;
}

/** What a `.ko` file says it depends on. */
export function moduleDependencies(file: Buffer): string[] {
  const marker = "\0depends=";
  const start = file.indexOf(marker, 0, "latin1");
  if (start < 0) return [];
  const from = start + marker.length;
  const list = file.toString("latin1", from, file.indexOf(0, from));
  return list === "" ? [] : list.split(",").map(moduleName);
}

function moduleName(name: string): string {
  return basename(name, ".ko").replaceAll("-", "_");
}
