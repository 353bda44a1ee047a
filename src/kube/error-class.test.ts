import assert from "node:assert/strict";
import { test } from "node:test";

import {
  BACKOFFS,
  REFUSED_FOR_A_MOMENT_MS,
  retryAfter,
  type ErrorClass,
  type Retry,
} from "./error-class.ts";
import { codeOfStatus, type KubeErrorCode } from "./kube-error.ts";

function fail(
  code: KubeErrorCode,
  times: number,
  everyMs: number,
  retryAfterMs: number | null = null,
): Retry {
  let retry: Retry | null = null;
  for (let time = 0; time < times; time += 1) {
    retry = retryAfter(retry, { code, retryAfterMs }, time * everyMs, 1);
  }
  assert.ok(retry);
  return retry;
}

test("each status has one class", () => {
  const classes: Readonly<Record<number, ErrorClass>> = {
    404: "stale",
    409: "stale",
    410: "stale",
    429: "transient",
    500: "transient",
    503: "transient",
    504: "transient",
    400: "permanent",
    422: "permanent",
  };
  for (const [status, expected] of Object.entries(classes)) {
    assert.equal(fail(codeOfStatus(Number(status)), 1, 0).class, expected, status);
  }
  assert.equal(fail("TIMEOUT", 1, 0).class, "transient");
  assert.equal(fail("UNREACHABLE", 1, 0).class, "transient");
});

test("a 403 is transient for the moment after a restart of the API server, then permanent", () => {
  assert.equal(fail("FORBIDDEN", 3, 300).class, "transient");
  const refused = fail("FORBIDDEN", 3, REFUSED_FOR_A_MOMENT_MS / 2);
  assert.equal(refused.class, "permanent");
  assert.equal(refused.failures, 1);
});

test("waits grow to their bound and no further", () => {
  for (const code of ["SERVER", "REFUSED", "CONFLICT"] as const) {
    const first = fail(code, 1, 0);
    const { minMs, maxMs } = BACKOFFS[first.class];
    assert.equal(first.untilMs, code === "CONFLICT" ? 0 : minMs);
    assert.equal(fail(code, 100, 0).untilMs, maxMs);
  }
});

test("what a server asks for is waited for, within reason", () => {
  assert.equal(fail("OVERLOADED", 1, 0, 7_000).untilMs, 7_000);
  assert.equal(fail("OVERLOADED", 1, 0, 3_600_000).untilMs, 30_000);
});
