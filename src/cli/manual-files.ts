import { manualMarkdown, manualPage } from "./manual.ts";
import { createProgram } from "./program.ts";

/** The generated manuals: where each is, and what it is to hold. */
export function manualFiles(): readonly { readonly path: URL; readonly text: string }[] {
  const program = createProgram("sbdctl");
  return [
    { path: new URL("../../docs/sbdctl.md", import.meta.url), text: manualMarkdown(program) },
    { path: new URL("../../docs/sbdctl.8", import.meta.url), text: manualPage(program) },
  ];
}
