import assert from "node:assert/strict";
import { test } from "node:test";
import { replayScenario } from "./replay.ts";

const HEAD = `# A title

Whose data is at stake.

`;
const FENCING = `> fencer F
> alive 1 boot=X
> alive 2 boot=A moving=1
> until 5
> silent 2
> request F R1
> until 80
`;

function replay(body: string): ReturnType<typeof replayScenario> {
  return replayScenario(HEAD + body);
}

test("a replay writes the trace under its command and keeps all else", () => {
  const { text, title } = replay(FENCING.replace("> until 80\n", ""));
  assert.equal(title, "A title");
  assert.match(text, /^# A title\n\nWhose data is at stake\.\n\n> fencer F\n/);
  assert.match(text, /> request F R1\n {2}5 F: accepts R1\n$/);
});

test("a replay of its own output changes nothing", () => {
  const { text } = replay(FENCING);
  assert.match(text, /has proof for R1: Bounded A/);
  assert.equal(replayScenario(text).text, text);
});

test("a comment between commands is kept and does nothing", () => {
  const { text } = replay(`> fencer F\n\n# meanwhile\n> until 1\n`);
  assert.match(text, /\n\n# meanwhile\n> until 1\n$/);
});

test("a wrong trace is replaced, so that it differs from the file", () => {
  const { text } = replay(`> fencer F\n  1 F: has proof for R1: Bounded A\n`);
  assert.doesNotMatch(text, /proof/);
});

for (const [what, body, error] of [
  ["an unknown command", "> fencre F\n", /no command 'fencre'/],
  ["an unknown word", "> fencer F quickly\n", /does not know: quickly/],
  ["an unknown key", "> fencer F R=3\n", /does not know: R/],
  ["a missing word", "> request\n", /lacks a fencer/],
  ["a word where a number belongs", "> until soon\n", /'soon' where a number belongs/],
  ["stray text", "> fencer F\nmeanwhile\n", /Line 6 is neither/],
  ["a trace without its command", "> fencer F\n\n  1 F: x\n", /Line 7 is a trace without/],
  ["a fencer that is not there", "> request G R1\n", /no fencer G/],
  ["time that runs backwards", "> until 5\n> until 4\n", /Time runs forwards/],
  ["no command at all", "words\n", /at least one/],
] as const) {
  test(`a scenario with ${what} is refused`, () => {
    assert.throws(() => replay(body), error);
  });
}

test("a scenario without a title or without prose is refused", () => {
  assert.throws(() => replayScenario("> fencer F\n"), /starts with/);
  assert.throws(() => replayScenario("# A title\n\n> fencer F\n"), /says in prose/);
});

for (const wrong of [
  "> expect F R1 unproven",
  "> expect F R1 proven Acknowledged A",
  "> expect F R1 undeclared",
  "> expect F R1 lacks TAINT",
  "> expect F R1 lacks-only TAINT",
  "> expect F R1 state Failed",
  "> expect F R1 unfencable NO_SLOT",
  "> expect slot 2 empty",
  "> expect slot 2 fence epoch=2",
  "> expect slot 2 fence to=B",
]) {
  test(`'${wrong}' fails where it is not so`, () => {
    assert.throws(() => replay(`${FENCING}${wrong}\n`), /expected '/);
  });
}

for (const rule of [
  "never proven",
  "never proven by=F of=R1 kind=Bounded after=68",
  "never declared before=70",
  "never written to=A",
]) {
  test(`'${rule}' fails wherever in the scenario it stands`, () => {
    assert.throws(() => replay(`${FENCING}> ${rule}\n`), /what it never may/);
    assert.throws(() => replay(`> ${rule}\n${FENCING}`), /what it never may/);
  });
}

for (const rule of [
  "never proven before=68",
  "never proven by=G",
  "never proven of=R2",
  "never proven kind=Acknowledged",
  "never written to=B",
  "never declared after=70",
]) {
  test(`'${rule}' holds for a fencer that keeps to it`, () => {
    assert.equal(replay(`> ${rule}\n${FENCING}`).assertions, 1);
  });
}
