import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";
import { customResourceDefinition } from "../custom-resource-definition.ts";
import { CUSTOM_RESOURCES } from "../custom-resources.ts";
import { crdFiles } from "./crd-files.ts";

const FOLDER = new URL("../../../deploy/base/crds/", import.meta.url);

test("deploy/base/crds holds what the schemas say: run `node src/api/generate/main.ts` where not", () => {
  const files = crdFiles();
  assert.deepEqual(readdirSync(FOLDER).sort(), files.map(({ name }) => name).sort());
  for (const { name, text } of files) {
    assert.equal(readFileSync(new URL(name, FOLDER), "utf8"), text);
  }
});

test("the YAML means what was generated, to parsers of YAML 1.1 and 1.2 alike", () => {
  for (const [index, { text }] of crdFiles().entries()) {
    const resource = CUSTOM_RESOURCES[index];
    assert.ok(resource);
    const definition: unknown = JSON.parse(JSON.stringify(customResourceDefinition(resource)));
    assert.deepEqual(parse(text, { version: "1.1" }), definition);
    assert.deepEqual(parse(text, { version: "1.2" }), definition);
  }
});
