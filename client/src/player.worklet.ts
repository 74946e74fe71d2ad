/** Plays what the page hands it. Runs in the browser's audio thread. */

import { JitterBuffer } from "./jitter-buffer.ts";
import type { FromPlayer, ToPlayer } from "./worklet-messages.ts";

const REPORT_SECS = 0.05;

class PlayerProcessor extends AudioWorkletProcessor {
  readonly #buffer = new JitterBuffer({ sampleRate });
  #isPlaying = false;
  #level = 0;
  #reportAt = 0;

  constructor() {
    super();
    this.port.onmessage = ({ data }: MessageEvent<ToPlayer>) => {
      if (data.kind === "audio") {
        this.#buffer.push(data.samples, currentTime);
      } else if (data.kind === "begin") {
        this.#buffer.begin();
      } else {
        this.#post({ kind: "flushed", ...this.#buffer.flush() });
      }
    };
  }

  process(_: Float32Array[][], [[out]]: [[Float32Array]]): boolean {
    this.#buffer.pull(out, currentTime);
    const { state } = this.#buffer;
    if (state.isPlaying !== this.#isPlaying) {
      this.#isPlaying = state.isPlaying;
      this.#post({ kind: "playing", isPlaying: state.isPlaying });
    }
    for (const sample of out) {
      this.#level = Math.max(this.#level, Math.abs(sample));
    }
    if (currentTime >= this.#reportAt) {
      this.#reportAt = currentTime + REPORT_SECS;
      this.#post({ kind: "report", level: this.#level, ...state });
      this.#level = 0;
    }
    return true;
  }

  #post(message: FromPlayer): void {
    this.port.postMessage(message);
  }
}

registerProcessor("voicewire-player", PlayerProcessor);
