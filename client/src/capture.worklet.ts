/** Hands the page what the microphone hears, 20 ms at a time. Runs in the browser's audio thread. */

import type { FromCapture } from "./worklet-messages.ts";

const MESSAGE_SECS = 0.02;

class CaptureProcessor extends AudioWorkletProcessor {
  readonly #length = Math.round(sampleRate * MESSAGE_SECS);
  #samples = new Int16Array(this.#length);
  #offset = 0;
  #level = 0;

  process([channels]: [Float32Array[]]): boolean {
    for (const sample of channels[0] ?? []) {
      this.#level = Math.max(this.#level, Math.abs(sample));
      this.#samples[this.#offset++] = Math.max(-1, Math.min(1, sample)) * 32767;
      if (this.#offset === this.#length) {
        this.#hand();
      }
    }
    return true;
  }

  #hand(): void {
    const message: FromCapture = { samples: this.#samples, level: this.#level };
    this.port.postMessage(message, [this.#samples.buffer]);
    this.#samples = new Int16Array(this.#length);
    this.#offset = this.#level = 0;
  }
}

registerProcessor("voicewire-capture", CaptureProcessor);
