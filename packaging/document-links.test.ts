import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";

const REPOSITORY = resolve(import.meta.dirname, "..");
const PAGES = ["*.md", "docs/**/*.md", "src/**/README.md", "test/**/README.md", "deploy/**/*.md"];

/** As a forge makes an anchor of a heading: lower case, without punctuation, dashes for blanks. */
function anchorsOf(path: string): ReadonlySet<string> {
  const text = readFileSync(path, "utf8").replaceAll(/^```[^]*?^```/gm, "");
  return new Set(
    [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
        .trim()
        .replaceAll(/\s/g, "-"),
    ),
  );
}

test("each link of a page to another leads to a file and a heading that are there", () => {
  const links = globSync(PAGES, { cwd: REPOSITORY }).flatMap((page) => {
    const text = readFileSync(join(REPOSITORY, page), "utf8");
    return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => ({ page, target }));
  });
  const local = links.filter(({ target }) => !/^[a-z]+:/.test(target));
  assert.ok(local.length > 20, String(local.length));
  for (const { page, target } of local) {
    const [path = "", anchor] = target.split("#");
    const file = path === "" ? join(REPOSITORY, page) : join(REPOSITORY, dirname(page), path);
    assert.ok(existsSync(file), `${page}: there is no ${target}`);
    if (anchor !== undefined) assert.ok(anchorsOf(file).has(anchor), `${page}: no ${target}`);
  }
});
