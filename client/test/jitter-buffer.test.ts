import assert from "node:assert/strict";
import { test } from "node:test";

import { JitterBuffer } from "../src/jitter-buffer.ts";

const RATE = 24000;
const BLOCK = 128;
const LOUD = 8000;

/** An audio thread and a network in virtual time. */
class Line {
  readonly buffer = new JitterBuffer({ sampleRate: RATE });
  readonly heard: number[] = [];
  now = 0;
  #arrivals: [number, Int16Array][] = [];

  /** Let `ms` of audio arrive at a time, in seconds. */
  arrive(at: number, ms: number, value = LOUD): void {
    this.#arrivals.push([at, new Int16Array((ms * RATE) / 1000).fill(value)]);
    this.#arrivals.sort(([a], [b]) => a - b);
  }

  run(secs: number): void {
    const out = new Float32Array(BLOCK);
    const end = this.now + secs;
    while (this.now < end) {
      while (this.#arrivals.length > 0 && this.#arrivals[0]![0] <= this.now) {
        this.buffer.push(this.#arrivals.shift()![1], this.now);
      }
      this.buffer.pull(out, this.now);
      this.heard.push(...out);
      this.now += BLOCK / RATE;
    }
  }

  /** Seconds until the first sound. */
  get silenceSecs(): number {
    return this.heard.findIndex((sample) => sample !== 0) / RATE;
  }

  get soundSecs(): number {
    return this.heard.filter((sample) => Math.abs(sample) > 0.2).length / RATE;
  }
}

/** A talker, in 20 ms messages; `delay` says how late each one comes. */
function talk(line: Line, secs: number, delay: (at: number) => number, value = LOUD): void {
  let latest = 0;
  for (let i = 0; i < secs * 50; i++) {
    // TCP: nothing overtakes.
    latest = Math.max(latest, i * 0.02 + delay(i * 0.02));
    line.arrive(line.now + latest, 20, value);
  }
}

function near(actual: number, expected: number, within: number): void {
  assert.ok(Math.abs(actual - expected) <= within, `${actual} is not ${expected} ± ${within}`);
}

test("what comes in one piece begins to play at once and is played whole", () => {
  const line = new Line();
  line.arrive(0, 500);
  line.run(1);
  near(line.silenceSecs, 0, 0.001);
  near(line.soundSecs, 0.5, 0.001);
});

test("what comes in real time begins when the target is gathered", () => {
  const line = new Line();
  talk(line, 1, () => 0);
  line.run(2);
  near(line.silenceSecs, 0.04, 0.01);
  near(line.soundSecs, 1, 0.001);
  assert.equal(line.buffer.state.glitches, 0);
});

test("a short sound is played when it has waited for the target in vain", () => {
  const line = new Line();
  line.arrive(0, 20);
  line.run(0.5);
  near(line.silenceSecs, 0.06, 0.01);
  near(line.soundSecs, 0.02, 0.001);
});

test("a delay within the target is not heard", () => {
  const line = new Line();
  talk(line, 5, (at) => (Math.round(at * 50) % 10 === 5 ? 0.035 : 0));
  line.run(6);
  assert.equal(line.buffer.state.glitches, 0);
});

test("audio that comes too late is one glitch, and widens the target by as much", () => {
  const line = new Line();
  talk(line, 4, (at) => (at > 1 && at < 1.2 ? 0.3 : 0));
  line.run(6);
  assert.equal(line.buffer.state.glitches, 1);
  near(line.buffer.state.targetMs, 60 + 240, 40);
  near(line.soundSecs, 4, 0.01);
});

test("after one glitch the same delay is not heard again", () => {
  const line = new Line();
  talk(line, 9, (at) => (at % 2 > 1 && at % 2 < 1.1 ? 0.25 : 0));
  line.run(10);
  assert.equal(line.buffer.state.glitches, 1);
});

test("the target has a limit", () => {
  const line = new Line();
  talk(line, 20, (at) => (at % 4 > 3 && at % 4 < 3.1 ? 2.5 : 0));
  line.run(30);
  near(line.buffer.state.targetMs, 1000, 100);
});

test("a pause between utterances is no glitch", () => {
  const line = new Line();
  line.arrive(0, 200);
  line.run(1);
  line.buffer.begin();
  line.arrive(1, 200);
  line.run(1);
  assert.equal(line.buffer.state.glitches, 0);
  assert.equal(line.buffer.state.targetMs, 60);
});

test("a calm network shrinks the target slowly, and the delay with it, in pauses", () => {
  const line = new Line();
  talk(line, 3, (at) => (at > 1 && at < 1.1 ? 0.5 : 0));
  line.run(5);
  const wide = line.buffer.state.targetMs;
  line.buffer.begin();
  talk(line, 100, () => 0, 10); // as quiet as a pause
  line.run(1);
  const before = line.buffer.state.bufferedMs;
  line.run(98);
  const after = line.buffer.state;
  assert.ok(after.targetMs < wide * 0.5, `${wide} -> ${after.targetMs}`);
  assert.ok(after.targetMs > wide * 0.2, `${wide} -> ${after.targetMs}`);
  assert.ok(after.bufferedMs < before * 0.6, `${before} -> ${after.bufferedMs}`);
  assert.equal(after.glitches, 1);
});

test("nothing of a sound is left out to shrink the delay", () => {
  const line = new Line();
  talk(line, 3, (at) => (at > 1 && at < 1.1 ? 0.5 : 0));
  talk(line, 60, () => 3.2);
  line.run(70);
  near(line.soundSecs, 63, 0.02);
});

test("a flush is silent within three milliseconds and tells how much was played", () => {
  const line = new Line();
  line.arrive(0, 1000);
  line.run(0.4);
  const { playedMs, bufferedMs } = line.buffer.flush();
  near(playedMs, 400, 6);
  near(playedMs + bufferedMs, 1000, 0.1);
  const heardBefore = line.heard.length;
  line.run(0.5);
  const loud = line.heard.slice(heardBefore).findLastIndex((sample) => sample !== 0);
  assert.ok(loud < 0.003 * RATE, `${loud}`);
  assert.equal(line.buffer.state.playedMs, 0);
});

test("sound that ends abruptly is faded, so that it does not click", () => {
  const line = new Line();
  line.arrive(0, 100);
  line.run(0.3);
  const steps = line.heard.slice(1).map((sample, i) => Math.abs(sample - line.heard[i]!));
  const end = line.heard.findLastIndex((sample) => sample > 0.2);
  assert.ok(Math.max(...steps.slice(end)) < 0.01);
});

test("messages of any length are played in one piece", () => {
  const buffer = new JitterBuffer({ sampleRate: RATE });
  let value = 0;
  for (const length of [1, 127, 128, 129, 1000, 3, 700]) {
    buffer.push(Int16Array.from({ length }, () => ++value), 0);
  }
  const out = new Float32Array(BLOCK);
  const played: number[] = [];
  for (let i = 0; i < 17; i++) {
    buffer.pull(out, i);
    played.push(...[...out].map((sample) => Math.round(sample * 32768)));
  }
  assert.deepEqual(played.slice(0, value), Array.from({ length: value }, (_, i) => i + 1));
});
