import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "node:test";

import { createProgram } from "../src/cli/program.ts";

const REPOSITORY = resolve(import.meta.dirname, "..");

type Told = { readonly path: string; readonly words: readonly string[] };

/** What the pages tell people to type: `sbdctl …` in code, up to what a shell would take for its own. */
function toldCommands(): readonly Told[] {
  const pages = globSync(["README.md", "docs/*.md", "docs/runbooks/*.md"], { cwd: REPOSITORY });
  return pages
    .filter((path) => path !== "docs/sbdctl.md")
    .flatMap((path) => {
      const text = readFileSync(resolve(REPOSITORY, path), "utf8");
      const spans = [...text.matchAll(/`([^`\n]+)`/g)].map(([, span = ""]) => span);
      const blocks = [...text.matchAll(/```sh\n([^]*?)```/g)].flatMap(([, block = ""]) =>
        block.split("\n"),
      );
      return [...spans, ...blocks].flatMap((line) => {
        const [, typed] = /(?:^|[ /])sbdctl ([a-z-].*)/.exec(line) ?? [];
        const words =
          (typed ?? "")
            .split(/ #| \\$|[|;&>]/)[0]
            ?.trim()
            .split(/\s+/) ?? [];
        return typed === undefined ? [] : [{ path, words }];
      });
    });
}

test("what the pages tell people to type are commands and options that sbdctl has", () => {
  const told = toldCommands();
  assert.ok(told.length > 20, "the pages tell commands");
  for (const { path, words } of told) {
    let command = createProgram("sbdctl");
    let positionals = 0;
    let awaitsValue = false;
    for (const word of words) {
      const next = command.commands.find((known) => known.name() === word);
      if (awaitsValue) {
        awaitsValue = false;
      } else if (word.startsWith("-")) {
        const option = command.options.find(({ long, short }) => word === long || word === short);
        assert.ok(option !== undefined, `${path}: sbdctl ${words.join(" ")}: no option ${word}`);
        awaitsValue = option.required;
      } else if (next === undefined) {
        positionals += 1;
      } else {
        command = next;
      }
    }
    const most = command.registeredArguments.length;
    const isGroup = command.commands.length > 0;
    assert.ok(!isGroup && positionals <= most, `${path}: sbdctl ${words.join(" ")}`);
  }
});
