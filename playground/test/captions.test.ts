import assert from "node:assert/strict";
import { test } from "node:test";

import { Captions, type Part } from "../src/captions.ts";

function bot(captions: Captions): readonly Part[] {
  return captions.lines.find(({ who }) => who === "bot")!.parts;
}

test("what the caller says appears while they say it", () => {
  const captions = new Captions();
  captions.transcript("how much", false);
  captions.transcript("how much wood", false);
  assert.deepEqual(captions.lines, [
    { who: "caller", parts: [{ text: " how much wood", state: "coming" }] },
  ]);
  captions.transcript("How much wood?", true);
  assert.deepEqual(captions.lines[0]!.parts, [{ text: "How much wood?", state: "heard" }]);
});

test("final transcripts of one turn are one line", () => {
  const captions = new Captions();
  captions.transcript("Hello.", true);
  captions.transcript("Are you there?", true);
  assert.deepEqual(captions.lines[0]!.parts, [{ text: "Hello. Are you there?", state: "heard" }]);
});

test("a sentence is heard word by word", () => {
  const captions = new Captions();
  captions.sentenceBegins(1, "one two six ten", 0);
  captions.sentenceEnds(1, 1500);
  captions.played(750);
  assert.deepEqual(bot(captions), [
    { text: "one two ", state: "heard" },
    { text: "six ten ", state: "coming" },
  ]);
  captions.played(1500);
  assert.deepEqual(bot(captions), [{ text: "one two six ten ", state: "heard" }]);
});

test("what was cut off stays visible as cut", () => {
  const captions = new Captions();
  captions.sentenceBegins(1, "First sentence.", 0);
  captions.sentenceBegins(2, "Second one here.", 0);
  captions.sentenceBegins(3, "Third one.", 0);
  captions.sentenceEnds(1, 1000);
  captions.sentenceEnds(2, 2000);
  captions.interrupted(1600);
  assert.deepEqual(bot(captions), [
    { text: "First sentence. Second ", state: "heard" },
    { text: "one here. Third one. ", state: "cut" },
  ]);
});

test("what the server remembers counts more than the page's own guess", () => {
  const captions = new Captions();
  captions.sentenceBegins(1, "one two six ten", 0);
  captions.sentenceBegins(2, "Never said.", 0);
  captions.cut([{ id: 1, heard: "one two six" }, { id: 2, heard: "" }, { id: 9, heard: "" }]);
  captions.interrupted(100);
  assert.deepEqual(bot(captions), [
    { text: "one two six", state: "heard" },
    { text: " ten Never said. ", state: "cut" },
  ]);
});

test("only the sentence that was being said is cut within", () => {
  const captions = new Captions();
  captions.sentenceBegins(1, "One two three four five six seven eight nine ten.", 0);
  captions.sentenceBegins(2, "Eleven twelve thirteen.", 100);
  captions.sentenceBegins(3, "Fourteen fifteen sixteen.", 200);
  captions.sentenceEnds(1, 10000);
  captions.interrupted(5000);
  const parts = bot(captions);
  assert.deepEqual(parts.map(({ state }) => state), ["heard", "cut"]);
  assert.match(parts[0]!.text, /^One two .*five $/);
});

test("after an interruption the bot begins a new line, and a new stream", () => {
  const captions = new Captions();
  captions.sentenceBegins(1, "One.", 0);
  captions.interrupted(0);
  captions.sentenceBegins(2, "Two.", 0);
  captions.sentenceEnds(2, 500);
  captions.played(500);
  assert.deepEqual(
    captions.lines.map(({ parts }) => parts),
    [[{ text: "One. ", state: "cut" }], [{ text: "Two. ", state: "heard" }]],
  );
});

test("a sentence whose audio is still coming is followed at the pace of the ones before", () => {
  const captions = new Captions();
  captions.sentenceBegins(1, "0123456789", 0);
  captions.sentenceEnds(1, 1000);
  captions.sentenceBegins(2, "abcd efgh ijkl", 1000);
  captions.played(1600);
  assert.equal(bot(captions)[0]!.text, "0123456789 abcd ");
});

test("an answer that is only written is there at once", () => {
  const captions = new Captions();
  captions.wrote("Hi");
  captions.written(1, "Hello!");
  assert.deepEqual(bot(captions), [{ text: "Hello! ", state: "heard" }]);
});

test("at the end of the conversation what was not heard is cut", () => {
  const captions = new Captions();
  captions.sentenceBegins(1, "All of this.", 0);
  captions.sentenceEnds(1, 1000);
  captions.sentenceBegins(2, "Nothing of this.", 1000);
  captions.played(1000);
  captions.end();
  assert.deepEqual(bot(captions), [
    { text: "All of this. ", state: "heard" },
    { text: "Nothing of this. ", state: "cut" },
  ]);
});

test("old lines go", () => {
  const captions = new Captions();
  for (let i = 0; i < 500; i++) {
    captions.wrote(`${i}`);
  }
  assert.equal(captions.lines.length, 200);
  assert.equal(captions.lines.at(-1)!.parts[0]!.text, "499");
});
