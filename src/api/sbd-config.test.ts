import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultWatchdogMs, deriveTiming, TimingError } from "../timing/contract.ts";
import { customResourceDefinition } from "./custom-resource-definition.ts";
import { SBD_CONFIG_SPEC_RULES } from "./sbd-config-rules.ts";
import { parseSBDConfig, SBD_CONFIG } from "./sbd-config.ts";
import { admit } from "./testing/admit.ts";
import { evaluateCel } from "./testing/cel.ts";

const CRD = customResourceDefinition(SBD_CONFIG);

const SEED = { sbdDevicePVCName: "sbd", sbdTimeoutSeconds: 30, sbdWatchdogPath: "/dev/watchdog" };

function config(spec: object, name = "default"): object {
  return { apiVersion: "medik8s.io/v1alpha1", kind: "SBDConfig", metadata: { name }, spec };
}

test("the three required fields are enough, and everything else gets its default", () => {
  const { stored, faults } = admit(CRD, config(SEED));
  assert.deepEqual(faults, []);
  assert.deepEqual(stored["spec"], {
    ...SEED,
    nodeExclusionList: [],
    rebootMethod: "panic",
    sbdDevicePath: "/dev/sbd-watchdog",
    onStorageLoss: "SelfFence",
    fencerPlacement: "Agent",
    pausableNodes: "Accept",
    acceptUnverifiedWatchdogs: false,
    detectOnly: false,
    startupTaint: false,
    nodeSelector: {},
    imagePullPolicy: "IfNotPresent",
    logLevel: "info",
    metricsPort: 8080,
  });
});

test("parser and API server fill in the same defaults", () => {
  const parsed = parseSBDConfig(config(SEED));
  assert.ok(parsed.ok);
  assert.deepEqual(parsed.value.spec, admit(CRD, config(SEED)).stored["spec"]);
  assert.deepEqual(parsed.value.status, {});
});

for (const [field, value] of [
  ["sbdDevicePVCName", ""],
  ["sbdDevicePVCName", undefined],
  ["sbdWatchdogPath", ""],
  ["sbdWatchdogPath", undefined],
  ["sbdWatchdogPath", "/etc/watchdog"],
  ["sbdWatchdogPath", "/dev/../etc/passwd"],
  ["sbdTimeoutSeconds", 0],
  ["sbdTimeoutSeconds", -30],
  ["sbdTimeoutSeconds", 1.5],
  ["sbdTimeoutSeconds", "30"],
  ["sbdTimeoutSeconds", undefined],
  ["rebootMethod", "none"],
  ["onStorageLoss", "Ignore"],
  ["fencerPlacement", "agent"],
  ["metricsPort", 0],
  ["metricsPort", 65_536],
  ["maxConcurrentFencing", 0],
  ["nodeExclusionList", ["a", "a"]],
  ["logLevel", "trace"],
] as const) {
  test(`${field}: ${JSON.stringify(value) ?? "left out"} is refused`, () => {
    const { faults } = admit(CRD, config({ ...SEED, [field]: value }));
    assert.equal(faults.length > 0, true);
    assert.match(faults.join(), new RegExp(field));
  });
}

test("what breaks the timing contract is refused with the arithmetic", () => {
  const short = admit(CRD, config({ ...SEED, sbdTimeoutSeconds: 2 })).faults;
  assert.match(
    short.join(),
    /spec\.sbdTimeoutSeconds: .*3 to 3600.*T = 2 s, W = 2 s, T \+ 2W = 6 s/,
  );
  const slow = admit(CRD, config({ ...SEED, watchdogTimeoutSeconds: 700 })).faults;
  assert.match(
    slow.join(),
    /spec\.watchdogTimeoutSeconds: .*2 to 600.*W = 700 s, T \+ 2W = 1430 s/,
  );
});

test("the API server accepts a timing contract exactly where it can be derived", () => {
  for (const t of [1, 2, 3, 4, 5, 10, 30, 119, 120, 3600, 3601]) {
    for (const w of [undefined, 1, 2, 15, 600, 601]) {
      const spec = {
        ...SEED,
        sbdTimeoutSeconds: t,
        ...(w === undefined ? {} : { watchdogTimeoutSeconds: w }),
      };
      const timeoutMs = t * 1_000;
      const watchdogMs = w === undefined ? defaultWatchdogMs(timeoutMs) : w * 1_000;
      assert.equal(admit(CRD, config(spec)).faults.length === 0, derivable(timeoutMs, watchdogMs));
    }
  }
});

function derivable(timeoutMs: number, watchdogMs: number): boolean {
  try {
    deriveTiming({ timeoutMs, watchdogMs });
    return true;
  } catch (error) {
    assert.ok(error instanceof TimingError);
    return false;
  }
}

test("the message's W is the one agents take where none is given", () => {
  const rule = SBD_CONFIG_SPEC_RULES[0];
  assert.ok(rule?.messageExpression);
  for (const t of [1, 2, 3, 5, 30, 31, 119, 120, 121, 3600]) {
    const message = evaluateCel(rule.messageExpression, { self: { sbdTimeoutSeconds: t } });
    const watchdogSeconds = defaultWatchdogMs(t * 1_000) / 1_000;
    assert.match(String(message), new RegExp(`W = ${watchdogSeconds} s,`));
  }
});

for (const [field, value] of [
  ["sbdTimeoutSeconds", 5],
  ["watchdogTimeoutSeconds", 10],
  ["onStorageLoss", "SurviveWithApi"],
  ["sbdDevicePVCName", "other"],
] as const) {
  test(`lowering the contract under running agents: a changed ${field} is refused`, () => {
    const { faults } = admit(CRD, config({ ...SEED, [field]: value }), config(SEED));
    assert.equal(faults.length, 1);
    assert.match(faults.join(), new RegExp(`${field} stands in the device header`));
  });
}

test("watchdogTimeoutSeconds cannot be taken away either", () => {
  const old = config({ ...SEED, watchdogTimeoutSeconds: 10 });
  assert.match(admit(CRD, config(SEED), old).faults.join(), /watchdogTimeoutSeconds stands in/);
  assert.deepEqual(admit(CRD, old, old).faults, []);
});

test("what is not in the device header may be changed", () => {
  const changed = { ...SEED, logLevel: "debug", nodeExclusionList: ["n1"], image: "sbd-agent:2" };
  assert.deepEqual(admit(CRD, config(changed), config(SEED)).faults, []);
});

test("the shared disk cannot be mounted over the watchdog", () => {
  const { faults } = admit(CRD, config({ ...SEED, sbdDevicePath: "/dev/watchdog" }));
  assert.match(faults.join(), /must differ/);
});

test("a name that pods named after it could not bear is refused", () => {
  assert.match(admit(CRD, config(SEED, "a".repeat(41))).faults.join(), /at most 40/);
  assert.deepEqual(admit(CRD, config(SEED, "a".repeat(40))).faults, []);
});

test("an object that cannot be parsed yields an error that names object and field", () => {
  const parsed = parseSBDConfig(config({ ...SEED, sbdTimeoutSeconds: "soon" }));
  assert.ok(!parsed.ok);
  assert.equal(parsed.error.code, "BAD_FIELD");
  assert.match(parsed.error.message, /SBDConfig 'default' .*spec\.sbdTimeoutSeconds/);
});

test("an object of another kind, no object at all and a missing spec are errors, not exceptions", () => {
  const other = parseSBDConfig({ ...config(SEED), kind: "SBDNode" });
  assert.ok(!other.ok);
  assert.equal(other.error.code, "WRONG_KIND");
  for (const object of [undefined, null, "text", 7, [], {}, { metadata: { name: "x" } }]) {
    assert.equal(parseSBDConfig(object).ok, false);
  }
  const bare = { apiVersion: "medik8s.io/v1alpha1", kind: "SBDConfig", metadata: { name: "x" } };
  assert.equal(parseSBDConfig(bare).ok, false);
  assert.match(admit(CRD, bare).faults.join(), /spec is required/);
});
