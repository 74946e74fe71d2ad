/** What passes between the page and its AudioWorklets. */

import type { JitterBufferState } from "./jitter-buffer.ts";

export type ToPlayer =
  | { readonly kind: "audio"; readonly samples: Int16Array }
  | { readonly kind: "begin" }
  | { readonly kind: "flush" };

export type FromPlayer =
  /** Twenty times a second. `level` is the loudest sample since the last one, 0..1. */
  | ({ readonly kind: "report"; readonly level: number } & JitterBufferState)
  /** It starts or stops to play. */
  | { readonly kind: "playing"; readonly isPlaying: boolean }
  /** It has dropped what it had; the state is that of the moment before. */
  | ({ readonly kind: "flushed" } & JitterBufferState);

/** 20 ms of the microphone. `level` is the loudest sample in it, 0..1. */
export interface FromCapture {
  readonly samples: Int16Array<ArrayBuffer>;
  readonly level: number;
}
