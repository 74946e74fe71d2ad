import assert from "node:assert/strict";
import { test } from "node:test";

import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

import { decode, encodeAudio, encodeMessage, encodeOpus } from "../src/protobuf.ts";

test("audio comes back as it was", () => {
  const samples = Int16Array.of(0, 1, -1, 32767, -32768);
  assert.deepEqual(decode(encodeAudio(samples, 24000)), {
    kind: "audio",
    samples,
    sampleRate: 24000,
  });
});

test("audio is what Pipecat's protocol says", () => {
  const expected = [0x12, 9, 0x1a, 2, 0x34, 0x12, 0x20, 0x80, 0x7d, 0x28, 1];
  assert.deepEqual([...encodeAudio(Int16Array.of(0x1234), 16000)], expected);
});

test("a message comes back as it was", () => {
  assert.deepEqual(decode(encodeMessage('{"ä":"€"}')), { kind: "message", json: '{"ä":"€"}' });
});

test("a packet of Opus comes back as it was", () => {
  const packet = Uint8Array.of(0xf8, 0xff, 0xfe);
  assert.deepEqual([...encodeOpus(packet)], [0xa2, 0x06, 5, 0x0a, 3, 0xf8, 0xff, 0xfe]);
  assert.deepEqual(decode(encodeOpus(packet)), { kind: "opus", packet });
});

test("stereo is mixed", () => {
  const writer = new BinaryWriter();
  writer.tag(2, WireType.LengthDelimited).fork();
  writer.tag(3, WireType.LengthDelimited).bytes(new Uint8Array(Int16Array.of(10, 20, -4, 4).buffer));
  writer.tag(4, WireType.Varint).uint32(8000).tag(5, WireType.Varint).uint32(2);
  const audio = decode(writer.join().finish());
  assert.deepEqual(audio, { kind: "audio", samples: Int16Array.of(15, 0), sampleRate: 8000 });
});

test("fields that are not known are skipped", () => {
  const writer = new BinaryWriter();
  writer.tag(9, WireType.Varint).uint32(7);
  const known = encodeMessage("{}");
  assert.deepEqual(decode(Uint8Array.of(...writer.finish(), ...known)), {
    kind: "message",
    json: "{}",
  });
});

test("a frame of another kind is nothing", () => {
  const text = new BinaryWriter().tag(1, WireType.LengthDelimited).fork();
  assert.equal(decode(text.tag(3, WireType.LengthDelimited).string("hi").join().finish()), null);
});

test("what is no protobuf is an error", () => {
  assert.throws(() => decode(Uint8Array.of(0x12, 200, 1, 2)));
});
