import assert from "node:assert/strict";
import { test } from "node:test";

import { Outbox } from "../src/outbox.ts";

const message = (...bytes: number[]) => Uint8Array.of(...bytes);

test("what has arrived is forgotten, and the rest is sent again", () => {
  const outbox = new Outbox(100);
  outbox.add(message(1));
  outbox.add(message(2));
  outbox.add(message(3));
  outbox.acknowledge(2);
  assert.deepEqual(outbox.unacknowledged, [message(3)]);
  outbox.add(message(4));
  outbox.acknowledge(2);
  assert.deepEqual(outbox.unacknowledged, [message(3), message(4)]);
  outbox.acknowledge(4);
  assert.deepEqual(outbox.unacknowledged, []);
});

test("another process gets only what is for the bot", () => {
  const outbox = new Outbox(100);
  outbox.add(message(1), false);
  outbox.add(message(2));
  outbox.add(message(3), false);
  outbox.add(message(4));
  outbox.acknowledge(2);
  assert.deepEqual(outbox.lasting, [message(4)]);
  assert.deepEqual(outbox.unacknowledged, [message(3), message(4)]);
});

test("it is full when so many bytes wait", () => {
  const outbox = new Outbox(3);
  outbox.add(message(1, 2));
  assert.equal(outbox.isFull, false);
  outbox.add(message(3));
  assert.equal(outbox.isFull, true);
  outbox.acknowledge(1);
  assert.equal(outbox.isFull, false);
});
