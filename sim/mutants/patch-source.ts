import type { Mutant } from "./mutant.ts";

/**
 * A file's source as a mutant has it.
 *
 * @throws Error where what is to be replaced does not occur exactly once
 */
export function patchSource(mutant: Mutant, file: string, source: string): string {
  return mutant.patches
    .filter((patch) => patch.file === file)
    .reduce((text, { find, replace }) => {
      const parts = text.split(ignoringSpace(find));
      if (parts.length !== 2) {
        throw new Error(
          `Mutant ${mutant.name} is out of date: in ${file} '${find}' occurs ${parts.length - 1} ` +
            `times instead of once. Bring its patch up to what the file says now`,
        );
      }
      return parts.join(replace);
    }, source);
}

/** The formatter may break a line elsewhere. */
function ignoringSpace(find: string): RegExp {
  const words = find.trim().split(/\s+/);
  return new RegExp(
    words.map((word) => word.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("\\s+"),
    "g",
  );
}
