import assert from "node:assert/strict";
import { test } from "node:test";
import { celRefusals } from "./cel-refusals.ts";
import { compileCel } from "./cel.ts";

for (const [source, place, refused] of [
  ["self.name == self.config + '-' + string(self.id)", "crd", true],
  ["self.name == '%s-%d'.format([self.config, self.id])", "crd", false],
  ["'slot ' + string(object.spec.id)", "policy", false],
  ["variables.node in [object.metadata.name, object.?spec.?nodeName.orValue('')]", "policy", true],
  ["variables.node in [dyn(object.metadata.name), dyn('')]", "policy", false],
  ["request.userInfo.username in ['a', 'b']", "policy", false],
  ["1 in [1, 'a']", "policy", true],
  ["'%s'.format([[object.a, 'b']])", "policy", true],
  ["[self.a]", "crd", false],
] as const) {
  test(`${source} in a ${place} is ${refused ? "refused" : "taken"}, as by kube-apiserver`, () => {
    assert.equal(celRefusals(compileCel(source).ast, place).length > 0, refused);
  });
}

test("two optionals are equal when both are empty, or their values are", () => {
  const { evaluate } = compileCel("object.?status.?a == oldObject.?status.?a");
  const equal = (a: object, b: object): unknown => evaluate({ object: a, oldObject: b });
  assert.equal(equal({}, { status: {} }), true);
  assert.equal(equal({ status: { a: [{ x: 1n }] } }, { status: { a: [{ x: 1n }] } }), true);
  assert.equal(equal({ status: { a: [{ x: 1n }] } }, { status: { a: [{ x: 2n }] } }), false);
  assert.equal(equal({ status: { a: "" } }, {}), false);
});
