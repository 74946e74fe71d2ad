/** Audio between its arrival and the loudspeaker. Pure: time is an argument, in seconds. */

export interface JitterBufferOptions {
  /** Hertz. */
  readonly sampleRate: number;
  /** How much is gathered before an utterance begins to play, at first. */
  readonly startMs?: number;
  /** Never less than this. */
  readonly minMs?: number;
  /** Never more than this. */
  readonly maxMs?: number;
}

export interface JitterBufferState {
  /** How much of the stream has been played: a stream ends with a flush. */
  readonly playedMs: number;
  /** How much waits. */
  readonly bufferedMs: number;
  /** How much is gathered before playing begins. */
  readonly targetMs: number;
  /** Times that it ran dry in mid-utterance. */
  readonly glitches: number;
  readonly isPlaying: boolean;
}

/** Without a glitch for so long, the buffer is made smaller. */
const SHRINK_AFTER_SECS = 10;

/** By this part of it, so that it takes minutes to forget a bad network. */
const SHRINK_BY = 0.1;

/** Quieter than this, a block is a pause in which a little may be left out: -50 dBFS. */
const SILENCE = 0.003;

/** How fast the sound fades where it is cut, to make no click. */
const FADE_SAMPLES = 64;

/** Int16 to -1..1. */
const SCALE = 1 / 32768;

/**
 * Plays audio that arrives unevenly.
 *
 * It begins to play when the target is gathered, or when it has waited that long. When it runs dry
 * before the utterance is over, that is a glitch: what came too late widens the target by as much,
 * and it gathers again. After ten seconds without a glitch the target shrinks by a tenth, and what
 * has been in the buffer needlessly all that time is left out in pauses.
 */
export class JitterBuffer {
  readonly #sampleRate: number;
  readonly #minSamples: number;
  readonly #maxSamples: number;
  readonly #waiting: Int16Array[] = [];
  #headOffset = 0;
  #buffered = 0;
  #played = 0;
  #target: number;
  #glitches = 0;
  #state: "idle" | "gathering" | "playing" | "dry" = "idle";
  #since = 0;
  #calmSince = 0;
  #leastBuffered = Infinity;
  #surplus = 0;
  #lastSample = 0;
  #fadeLeft = 0;

  constructor({ sampleRate, startMs = 60, minMs = 20, maxMs = 1000 }: JitterBufferOptions) {
    this.#sampleRate = sampleRate;
    this.#minSamples = this.#samples(minMs);
    this.#maxSamples = this.#samples(maxMs);
    this.#target = this.#samples(startMs);
  }

  get state(): JitterBufferState {
    return {
      playedMs: this.#ms(this.#played),
      bufferedMs: this.#ms(this.#buffered),
      targetMs: this.#ms(this.#target),
      glitches: this.#glitches,
      isPlaying: this.#state === "playing",
    };
  }

  /** An utterance begins: that there was nothing to play before it was no glitch. */
  begin(): void {
    if (this.#state === "dry") {
      this.#state = "idle";
    }
  }

  /** Take what has arrived. */
  push(samples: Int16Array, now: number): void {
    if (samples.length === 0) {
      return;
    }
    if (this.#state === "dry") {
      this.#glitches++;
      const late = Math.round((now - this.#since) * this.#sampleRate);
      this.#target = Math.min(this.#maxSamples, this.#target + late);
      this.#beCalmFrom(now);
    }
    if (this.#state === "dry" || this.#state === "idle") {
      this.#state = "gathering";
      this.#since = now;
    }
    this.#waiting.push(samples);
    this.#buffered += samples.length;
  }

  /** Fill `out` with what is to be played next; silence where there is nothing. */
  pull(out: Float32Array, now: number): void {
    if (this.#state === "gathering") {
      const hasWaited = (now - this.#since) * this.#sampleRate >= this.#target;
      if (hasWaited || this.#buffered >= this.#target) {
        this.#state = "playing";
        this.#beCalmFrom(now);
      }
    }
    if (this.#state !== "playing") {
      this.#fadeOut(out, 0);
      return;
    }
    this.#leaveOutPause(out.length);
    const length = this.#take(out);
    this.#leastBuffered = Math.min(this.#leastBuffered, this.#buffered);
    if (length < out.length) {
      this.#fadeOut(out, length);
      this.#state = "dry";
      this.#since = now;
    } else if (now - this.#calmSince > SHRINK_AFTER_SECS) {
      this.#shrink(now);
    }
  }

  /** Drop everything; the next sound is the first of a new stream. Returns the old one's state. */
  flush(): JitterBufferState {
    const { state } = this;
    this.#waiting.length = 0;
    this.#headOffset = this.#buffered = this.#played = this.#surplus = 0;
    this.#state = "idle";
    return state;
  }

  #beCalmFrom(now: number): void {
    this.#calmSince = now;
    this.#leastBuffered = Infinity;
    this.#surplus = 0;
  }

  #shrink(now: number): void {
    const unused = this.#leastBuffered - this.#minSamples;
    const step = Math.max(0, Math.min(unused, Math.ceil(this.#target * SHRINK_BY)));
    this.#beCalmFrom(now);
    this.#surplus = step;
    this.#target = Math.max(this.#minSamples, this.#target - step);
  }

  /** Leave out a block that nobody hears, while there is more than is needed. */
  #leaveOutPause(length: number): void {
    if (this.#surplus < length || this.#buffered < 2 * length || !this.#isSilent(length)) {
      return;
    }
    this.#take(new Float32Array(length));
    this.#surplus -= length;
  }

  #isSilent(length: number): boolean {
    let offset = this.#headOffset;
    let left = length;
    for (const samples of this.#waiting) {
      for (; offset < samples.length; offset++) {
        if (left-- === 0) {
          return true;
        }
        if (Math.abs(samples[offset]!) * SCALE > SILENCE) {
          return false;
        }
      }
      offset = 0;
    }
    return true;
  }

  /** Move what there is into `out`; returns how much. */
  #take(out: Float32Array): number {
    let length = 0;
    while (length < out.length && this.#waiting.length > 0) {
      const head = this.#waiting[0]!;
      const end = Math.min(head.length, this.#headOffset + out.length - length);
      for (let i = this.#headOffset; i < end; i++) {
        out[length++] = head[i]! * SCALE;
      }
      this.#headOffset = end;
      if (end === head.length) {
        this.#waiting.shift();
        this.#headOffset = 0;
      }
    }
    this.#buffered -= length;
    this.#played += length;
    if (length > 0) {
      this.#lastSample = out[length - 1]!;
      this.#fadeLeft = FADE_SAMPLES;
    }
    return length;
  }

  #fadeOut(out: Float32Array, from: number): void {
    for (let i = from; i < out.length; i++) {
      this.#fadeLeft = Math.max(0, this.#fadeLeft - 1);
      out[i] = this.#lastSample * (this.#fadeLeft / FADE_SAMPLES);
    }
  }

  #samples(ms: number): number {
    return Math.round((ms * this.#sampleRate) / 1000);
  }

  #ms(samples: number): number {
    return (samples * 1000) / this.#sampleRate;
  }
}
