import { setTimeout as delay } from "node:timers/promises";

import type { JsonObject } from "./json.ts";
import type { Terminal } from "./terminal.ts";

export type Screen = {
  readonly document: JsonObject;
  readonly text: string;
  readonly over: boolean;
};

const LOOK_EVERY_MS = 1_000;
const CLEAR_SCREEN = "\u001B[H\u001B[2J\u001B[3J";

/**
 * Shows a screen once; or, watching, again each second until what it is about is over. On a terminal each
 * takes the place of the one before; elsewhere only those that say something new are printed.
 */
export async function showScreen(
  watch: boolean,
  terminal: Terminal,
  look: () => Promise<Screen>,
): Promise<Screen> {
  let before = "";
  for (;;) {
    const screen = await look();
    const replaces = watch && process.stdout.isTTY && !terminal.isJson;
    if (replaces) process.stdout.write(CLEAR_SCREEN);
    if (replaces || screen.text !== before) terminal.answer(screen.document, screen.text);
    before = screen.text;
    if (!watch || screen.over) return screen;
    await delay(LOOK_EVERY_MS);
  }
}
