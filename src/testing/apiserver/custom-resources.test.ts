import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { at, textOf } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { RestWatch, send } from "./rest-client.ts";
import { startApiServer } from "./start-api-server.ts";
import type { ApiServer } from "./start-api-server.ts";

let server: ApiServer;

const crd = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.test.example}
spec:
  group: test.example
  scope: Namespaced
  names: {plural: widgets, kind: Widget, shortNames: [wd]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    selectableFields: [{jsonPath: .spec.color}]
    additionalPrinterColumns:
    - {name: Color, type: string, jsonPath: .spec.color}
    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    schema: &schema
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              color: {type: string, enum: [red, green]}
              size: {type: integer, minimum: 1, default: 3}
              name: {type: string, x-kubernetes-validations: [{rule: self == oldSelf, message: is immutable}]}
          status:
            type: object
            x-kubernetes-validations: [{rule: "!has(self.phase) || self.phase != 'Bad'", message: no bad phase}]
            properties:
              phase: {type: string}
              conditions:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [type]
                items:
                  type: object
                  required: [type, status]
                  properties: {type: {type: string}, status: {type: string}}
  - name: v2
    served: true
    storage: false
    subresources: {status: {}}
    schema: *schema
`;
const widgets = "/apis/test.example/v1/namespaces/default/widgets";
const merge = { contentType: "application/merge-patch+json" };

before(async () => {
  server = await startApiServer();
  server.objects.load(crd);
});
after(async () => {
  await server.close();
});

function widget(name: string, spec: JsonObject = {}): JsonObject {
  return { apiVersion: "test.example/v1", kind: "Widget", metadata: { name }, spec };
}

function condition(type: string): JsonObject {
  const status = { conditions: [{ type, status: "True" }] };
  return { apiVersion: "test.example/v1", kind: "Widget", metadata: {}, status };
}

test("a CRD is established at once and its resource is in discovery", async () => {
  const stored = server.objects.get("customresourcedefinitions", "widgets.test.example");
  assert.equal(at(stored, "status", "conditions", 1, "type"), "Established");
  assert.deepEqual(at(stored, "status", "storedVersions"), ["v1"]);
  const { body } = await send(server, "GET", "/apis/test.example/v1");
  assert.deepEqual(
    (body["resources"] as JsonObject[]).map((item) => item["name"]),
    ["widgets", "widgets/status"],
  );
});

test("defaults are filled in, unknown fields pruned with a warning or refused when strict", async () => {
  const { body, headers } = await send(server, "POST", widgets, widget("d", { bogus: 1 }));
  assert.deepEqual(body["spec"], { size: 3 });
  assert.equal(headers.get("warning"), '299 - "unknown field \\"spec.bogus\\""');
  const strict = await send(
    server,
    "POST",
    `${widgets}?fieldValidation=Strict`,
    widget("s", { bogus: 1 }),
  );
  assert.equal(strict.code, 400);
  assert.match(textOf(strict.body["message"]), /strict decoding error: unknown field "spec.bogus"/);
});

test("an invalid object is refused with a cause for each field", async () => {
  const { code, body } = await send(
    server,
    "POST",
    widgets,
    widget("i", { size: 0, color: "blue" }),
  );
  assert.equal(code, 422);
  assert.match(textOf(body["message"]), /^Widget\.test\.example "i" is invalid: \[/);
  const causes = at(body, "details", "causes") as JsonObject[];
  assert.deepEqual(
    causes.map(({ field, reason }) => [field, reason]),
    [
      ["spec.size", "FieldValueInvalid"],
      ["spec.color", "FieldValueNotSupported"],
      ["<nil>", "FieldValueInvalid"],
    ],
  );
});

test("generation counts changes of spec, not of status or metadata", async () => {
  const { body: made } = await send(server, "POST", widgets, {
    ...widget("g"),
    status: { phase: "X" },
  });
  assert.equal(made["status"], undefined);
  assert.equal(at(made, "metadata", "generation"), 1);
  const labelled = await send(
    server,
    "PATCH",
    `${widgets}/g`,
    { metadata: { labels: { a: "b" } } },
    merge,
  );
  assert.equal(at(labelled.body, "metadata", "generation"), 1);
  const status = { metadata: { labels: { c: "d" } }, spec: { size: 9 }, status: { phase: "Y" } };
  const reported = await send(server, "PATCH", `${widgets}/g/status`, status, merge);
  assert.deepEqual(reported.body["status"], { phase: "Y" });
  assert.deepEqual(reported.body["spec"], { size: 3 });
  assert.deepEqual(at(reported.body, "metadata", "labels"), { a: "b" });
  assert.equal(at(reported.body, "metadata", "generation"), 1);
  const resized = await send(server, "PATCH", `${widgets}/g`, { spec: { size: 4 } }, merge);
  assert.equal(at(resized.body, "metadata", "generation"), 2);
});

test("a full PUT leaves the status alone and needs a resource version", async () => {
  const { body: made } = await send(server, "POST", widgets, widget("p"));
  await send(server, "PATCH", `${widgets}/p/status`, { status: { phase: "Kept" } }, merge);
  const live = server.objects.get("widgets.test.example", "p", "default");
  const put = await send(server, "PUT", `${widgets}/p`, { ...live, status: { phase: "Lost" } });
  assert.deepEqual(put.body["status"], { phase: "Kept" });
  const { code } = await send(server, "PUT", `${widgets}/p`, made);
  assert.equal(code, 409);
  assert.equal((await send(server, "PUT", `${widgets}/p`, widget("p"))).code, 422);
});

test("rules run on updates, also of status, and see the old object", async () => {
  await send(server, "POST", widgets, widget("r", { name: "a" }));
  const renamed = await send(server, "PATCH", `${widgets}/r`, { spec: { name: "b" } }, merge);
  assert.equal(renamed.code, 422);
  assert.equal(
    renamed.body["message"],
    'Widget.test.example "r" is invalid: spec.name: Invalid value: "string": is immutable',
  );
  const bad = await send(
    server,
    "PATCH",
    `${widgets}/r/status`,
    { status: { phase: "Bad" } },
    merge,
  );
  assert.equal(bad.code, 422);
});

test("a strategic merge patch is not for custom resources", async () => {
  await send(server, "POST", widgets, widget("sm"));
  const strategic = { contentType: "application/strategic-merge-patch+json" };
  assert.equal((await send(server, "PATCH", `${widgets}/sm`, { spec: {} }, strategic)).code, 415);
});

test("server-side apply creates, merges conditions by type and keeps each manager's own", async () => {
  const apply = { contentType: "application/apply-patch+yaml" };
  const path = `${widgets}/ssa?fieldManager=one`;
  const made = await send(server, "PATCH", path, widget("ssa", { color: "red" }), apply);
  assert.equal(made.code, 201);
  await send(server, "PATCH", `${widgets}/ssa/status?fieldManager=one`, condition("A"), apply);
  const both = await send(
    server,
    "PATCH",
    `${widgets}/ssa/status?fieldManager=two`,
    condition("B"),
    apply,
  );
  assert.equal((at(both.body, "status", "conditions") as unknown[]).length, 2);
  const again = await send(
    server,
    "PATCH",
    `${widgets}/ssa/status?fieldManager=two`,
    condition("B"),
    apply,
  );
  assert.equal(
    at(again.body, "metadata", "resourceVersion"),
    at(both.body, "metadata", "resourceVersion"),
  );
  const clash = await send(
    server,
    "PATCH",
    `${widgets}/ssa?fieldManager=two`,
    widget("ssa", { color: "green" }),
    apply,
  );
  assert.equal(clash.code, 409);
  const forced = `${widgets}/ssa?fieldManager=two&force=true`;
  const taken = await send(server, "PATCH", forced, widget("ssa", { color: "green" }), apply);
  assert.equal(at(taken.body, "spec", "color"), "green");
});

test("a Table shows the printer columns", async () => {
  await send(server, "POST", widgets, widget("t", { color: "red" }));
  const ready = { status: { conditions: [{ type: "Ready", status: "True" }] } };
  await send(server, "PATCH", `${widgets}/t/status`, ready, merge);
  const accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
  const { body } = await send(
    server,
    "GET",
    `${widgets}?fieldSelector=metadata.name%3Dt`,
    undefined,
    { accept },
  );
  assert.equal(body["kind"], "Table");
  const columns = body["columnDefinitions"] as JsonObject[];
  assert.deepEqual(
    columns.map(({ name }) => name),
    ["Name", "Color", "Ready", "Age"],
  );
  assert.deepEqual((at(body, "rows", 0, "cells") as unknown[]).slice(0, 3), ["t", "red", "True"]);
});

test("a selectable field selects, and another version shows the same objects", async () => {
  await send(server, "POST", widgets, widget("green", { color: "green" }));
  const { body } = await send(server, "GET", `${widgets}?fieldSelector=spec.color%3Dgreen`);
  const names = (body["items"] as JsonObject[]).map((item) => at(item, "metadata", "name"));
  assert.ok(names.includes("green"));
  const second = await send(
    server,
    "GET",
    "/apis/test.example/v2/namespaces/default/widgets/green",
  );
  assert.equal(second.body["apiVersion"], "test.example/v2");
});

test("a CRD with a rule that is not CEL, or speaks of a field that is not there, is refused", async () => {
  const definition = server.objects.get("customresourcedefinitions", "widgets.test.example");
  const text = JSON.stringify({ ...definition, metadata: { name: "widgets.test.example" } });
  const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  const broken = text.replaceAll("widgets", "brokens").replaceAll("self == oldSelf", "self ==");
  const first = await send(server, "POST", path, broken);
  assert.equal(first.code, 422);
  assert.match(textOf(first.body["message"]), /compilation failed/);
  const unknown = text
    .replaceAll("widgets", "unknowns")
    .replaceAll("!has(self.phase)", "!has(self.fase)");
  const second = await send(server, "POST", path, unknown);
  assert.equal(second.code, 422);
  assert.match(textOf(second.body["message"]), /undefined field 'fase'/);
});

test("deleting a CRD deletes its objects, ends its watches and stops serving it", async () => {
  server.objects.load(crd.replaceAll("widgets", "gadgets").replaceAll("Widget", "Gadget"));
  const gadgets = "/apis/test.example/v1/gadgets";
  server.objects.load([
    {
      apiVersion: "test.example/v1",
      kind: "Gadget",
      metadata: { name: "x", namespace: "default" },
    },
  ]);
  const watch = await RestWatch.open(server, gadgets);
  server.objects.delete("customresourcedefinitions", "gadgets.test.example");
  await server.settled();
  assert.equal((await watch.next())?.type, "ADDED");
  while ((await watch.next()) !== undefined);
  assert.equal((await send(server, "GET", gadgets)).code, 404);
});
