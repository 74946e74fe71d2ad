import assert from "node:assert/strict";
import { test } from "node:test";

import { Turns } from "../src/turns.ts";

test("a turn is a question and its answer", () => {
  const turns = new Turns();
  turns.callerSpeaks(1000);
  turns.callerStops(2000);
  turns.transcript(2300);
  turns.token(2400);
  turns.token(2500);
  turns.audio(2600);
  turns.botSpeaks(2650);
  turns.botStops(5000);
  assert.deepEqual(turns.current, {
    callerFrom: 1000,
    callerTo: 2000,
    transcript: 2300,
    firstToken: 2400,
    firstAudio: 2600,
    botFrom: 2650,
    botTo: 5000,
  });
});

test("a greeting is a turn without a question", () => {
  const turns = new Turns();
  turns.audio(10);
  turns.botSpeaks(20);
  turns.callerSpeaks(1000);
  assert.deepEqual(turns.past, [{ firstAudio: 10, botFrom: 20 }]);
});

test("a caller who goes on before the answer asks one question", () => {
  const turns = new Turns();
  turns.callerSpeaks(0);
  turns.callerStops(1000);
  turns.transcript(1200);
  turns.callerSpeaks(1500);
  turns.callerStops(2500);
  assert.deepEqual([turns.past, turns.current], [[], { callerFrom: 0, callerTo: 2500 }]);
});

test("an interruption belongs to the turn that was interrupted", () => {
  const turns = new Turns();
  turns.callerWrote(0);
  turns.audio(100);
  turns.botSpeaks(150);
  turns.callerSpeaks(900);
  turns.interrupted(950);
  turns.botStops(960);
  assert.equal(turns.past[0]!.interrupted, 950);
  assert.deepEqual(turns.current, { callerFrom: 900 });
});

test("a pause in an answer does not end it", () => {
  const turns = new Turns();
  turns.callerWrote(0);
  turns.botSpeaks(100);
  turns.botStops(200);
  turns.botSpeaks(300);
  assert.deepEqual(turns.current, { callerTo: 0, botFrom: 100 });
});

test("only so many turns are remembered", () => {
  const turns = new Turns();
  for (let i = 0; i < 100; i++) {
    turns.callerWrote(i);
  }
  assert.equal(turns.past.length, 20);
});
