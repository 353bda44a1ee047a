import assert from "node:assert/strict";
import { test } from "node:test";
import { customResourceDefinition } from "./custom-resource-definition.ts";
import {
  parseSBDRemediationTemplate,
  SBD_REMEDIATION_TEMPLATE,
} from "./sbd-remediation-template.ts";
import { admit } from "./testing/admit.ts";

const CRD = customResourceDefinition(SBD_REMEDIATION_TEMPLATE);

function template(spec: unknown): object {
  return {
    apiVersion: "medik8s.io/v1alpha1",
    kind: "SBDRemediationTemplate",
    metadata: { name: "sbd-template", namespace: "sbd-system" },
    spec,
  };
}

for (const spec of [null, {}, { template: {} }, { template: { spec: null } }]) {
  test(`a template of ${JSON.stringify(spec)} becomes one NodeHealthCheck can copy`, () => {
    const whole = { template: { spec: { remediationStrategy: "Automatic" } } };
    const { stored, faults } = admit(CRD, template(spec));
    assert.deepEqual(faults, []);
    assert.deepEqual(stored["spec"], whole);
    const parsed = parseSBDRemediationTemplate(template(spec));
    assert.ok(parsed.ok);
    assert.deepEqual(parsed.value.spec, whole);
  });
}

test("a template cannot aim every failure at one node", () => {
  const { stored } = admit(CRD, template({ template: { spec: { nodeName: "worker-1" } } }));
  assert.equal(JSON.stringify(stored).includes("nodeName"), false);
});

test("the console offers the kind: namespaced, and spec.template.spec is spelled out", () => {
  assert.equal(CRD.spec.scope, "Namespaced");
  const schema = JSON.stringify(CRD.spec.versions[0]?.schema.openAPIV3Schema);
  assert.match(schema, /"template":\{.*"spec":\{.*"remediationStrategy"/);
  assert.equal(schema.includes("preserve-unknown-fields"), false);
});

test("the kind ends in Template, and without it is the kind of the request", () => {
  assert.equal(CRD.spec.names.kind, "SBDRemediationTemplate");
});
