import assert from "node:assert/strict";
import { test } from "node:test";

import { retryDelaySecs } from "../src/backoff.ts";
import { fromJson, number, text, toJson } from "../src/rtvi.ts";

test("a message comes back as it was", () => {
  assert.deepEqual(fromJson(toJson("send-text", { content: "hi" }, "1")), {
    type: "send-text",
    id: "1",
    data: { content: "hi" },
  });
});

for (const json of ["", "[]", "null", '"rtvi-ai"', '{"label":"other","type":"x"}', '{"label":"rtvi-ai"}']) {
  test(`${json} is no message`, () => assert.equal(fromJson(json), null));
}

test("what is missing or of another type is empty", () => {
  const message = fromJson('{"label":"rtvi-ai","type":"x","data":{"a":1,"b":"2"}}')!;
  assert.equal(text(message, "a"), "");
  assert.equal(number(message, "b"), 0);
  assert.equal(text(fromJson('{"label":"rtvi-ai","type":"x","data":[1]}')!, "0"), "");
});

test("attempts come less and less often", () => {
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7].map((n) => retryDelaySecs(n, 0)), [0.5, 1, 2, 4, 8, 10, 10]);
  assert.equal(retryDelaySecs(1, 1), 0.375);
});
