import fs from "node:fs";
import { join } from "node:path";

/**
 * Parameters of a kernel module, as far as they can be seen. Many are not in sysfs (softdog shows
 * none of those that matter), so what the kernel command line and modprobe.d ask for is read too; sysfs
 * wins over the command line, that over modprobe.d. An absent parameter is unknown, not unset.
 */
export function readModuleParameters(
  module: string,
  hostRoot = "/",
): Readonly<Record<string, string>> {
  return {
    ...fromModprobe(module, hostRoot),
    ...fromCommandLine(module, hostRoot),
    ...fromSysfs(module, hostRoot),
  };
}

/** The kernel takes `-` and `_` in module names for the same. */
function normalised(name: string): string {
  return name.replaceAll("-", "_");
}

function fromSysfs(module: string, hostRoot: string): Record<string, string> {
  const directory = join(hostRoot, "sys/module", normalised(module), "parameters");
  return Object.fromEntries(
    list(directory).flatMap((name) => {
      const value = read(join(directory, name));
      return value === null ? [] : [[name, value.trim()]];
    }),
  );
}

function fromCommandLine(module: string, hostRoot: string): Record<string, string> {
  const words = (read(join(hostRoot, "proc/cmdline")) ?? "").split(/\s+/);
  const pairs = words.flatMap((word) => {
    const match = /^([^.=]+)\.([^=]+)=(.*)$/.exec(word);
    if (match === null) return [];
    const [, owner = "", name = "", value = ""] = match;
    return normalised(owner) === normalised(module) ? [[name, value]] : [];
  });
  return Object.fromEntries(pairs);
}

const MODPROBE_DIRECTORIES = [
  "usr/lib/modprobe.d",
  "lib/modprobe.d",
  "run/modprobe.d",
  "etc/modprobe.d",
];

function fromModprobe(module: string, hostRoot: string): Record<string, string> {
  const pairs = MODPROBE_DIRECTORIES.flatMap((directory) =>
    list(join(hostRoot, directory))
      .filter((name) => name.endsWith(".conf"))
      .sort()
      .flatMap((name) => optionsIn(read(join(hostRoot, directory, name)) ?? "", module)),
  );
  return Object.fromEntries(pairs);
}

function optionsIn(text: string, module: string): [string, string][] {
  return text.split("\n").flatMap((line) => {
    const [keyword, owner, ...assignments] = line.trim().split(/\s+/);
    if (keyword !== "options" || owner === undefined) return [];
    if (normalised(owner) !== normalised(module)) return [];
    return assignments.map((assignment): [string, string] => {
      const [name = "", value = ""] = assignment.split("=", 2);
      return [name, value];
    });
  });
}

function list(directory: string): string[] {
  try {
    return fs.readdirSync(directory);
  } catch {
    return [];
  }
}

function read(path: string): string | null {
  try {
    return fs.readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
