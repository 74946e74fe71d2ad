import { Emitter } from "./events.ts";
import type { JitterBufferState } from "./jitter-buffer.ts";
import { loadWorklet } from "./worklet.ts";
import type { FromPlayer, ToPlayer } from "./worklet-messages.ts";

export interface PlayerEvents {
  /** Twenty times a second. */
  report: { readonly level: number } & JitterBufferState;
  /** It starts or stops to be heard. */
  playing: boolean;
}

/** How long the audio thread may take to answer. */
const FLUSH_SECS = 0.2;

const SILENT: JitterBufferState = {
  playedMs: 0,
  bufferedMs: 0,
  targetMs: 0,
  glitches: 0,
  isPlaying: false,
};

/** Loudspeakers that play audio as it comes, through a jitter buffer. */
export class Player extends Emitter<PlayerEvents> {
  readonly sampleRate: number;
  readonly #context: AudioContext;
  readonly #node: AudioWorkletNode;
  #flushed: ((state: JitterBufferState) => void)[] = [];
  #state: JitterBufferState = SILENT;

  private constructor(context: AudioContext, node: AudioWorkletNode) {
    super();
    this.sampleRate = context.sampleRate;
    this.#context = context;
    this.#node = node;
    node.port.onmessage = ({ data }: MessageEvent<FromPlayer>) => this.#hear(data);
    node.connect(context.destination);
  }

  /** Open the loudspeakers; outside of a click, the browser may keep them silent. */
  static async open(sampleRate: number, deviceId = ""): Promise<Player> {
    const context = new AudioContext({ sampleRate, latencyHint: "interactive" });
    try {
      const url = new URL(/* @vite-ignore */ "./player.worklet.js", import.meta.url);
      await loadWorklet(context, url);
      const node = new AudioWorkletNode(context, "voicewire-player", {
        numberOfInputs: 0,
        outputChannelCount: [1],
      });
      const player = new Player(context, node);
      if (deviceId !== "") {
        await player.useDevice(deviceId);
      }
      void context.resume();
      return player;
    } catch (error) {
      void context.close();
      throw error;
    }
  }

  /** Seconds from here to the ear, as far as the browser knows. */
  get outputLatencySecs(): number {
    return this.#context.outputLatency || this.#context.baseLatency || 0;
  }

  play(samples: Int16Array<ArrayBuffer>): void {
    this.#post({ kind: "audio", samples }, [samples.buffer]);
  }

  /** An utterance begins: the silence before it was no lack of audio. */
  begin(): void {
    this.#post({ kind: "begin" });
  }

  /** Be silent at once; returns how far it had come. */
  flush(): Promise<JitterBufferState> {
    this.#post({ kind: "flush" });
    return new Promise((resolve) => {
      this.#flushed.push(resolve);
      // A browser that has stopped the sound may not answer.
      setTimeout(() => resolve(this.#state), FLUSH_SECS * 1000);
    });
  }

  /** Play on another device, where the browser can choose one. */
  async useDevice(deviceId: string): Promise<void> {
    const context = this.#context as AudioContext & { setSinkId?(id: string): Promise<void> };
    await context.setSinkId?.(deviceId);
  }

  /** Play on after the browser has stopped it, as a phone does during a call. */
  resume(): void {
    if (this.#context.state !== "closed") {
      void this.#context.resume();
    }
  }

  /** Be silent, and tell nothing any more. */
  close(): void {
    this.#node.port.onmessage = null;
    this.#node.disconnect();
    if (this.#context.state !== "closed") {
      void this.#context.close();
    }
  }

  #post(message: ToPlayer, transfer: Transferable[] = []): void {
    this.#node.port.postMessage(message, transfer);
  }

  #hear(message: FromPlayer): void {
    if (message.kind === "report") {
      this.#state = message;
      this.emit("report", message);
    } else if (message.kind === "playing") {
      this.emit("playing", message.isPlaying);
    } else {
      this.#flushed.shift()?.(message);
    }
  }
}
