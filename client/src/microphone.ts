import { VoiceError } from "./errors.ts";
import { Emitter } from "./events.ts";
import type { FromCapture } from "./worklet-messages.ts";
import { loadWorklet } from "./worklet.ts";

export interface MicrophoneEvents {
  /** 20 ms of sound. */
  sound: FromCapture;
  /** The device is gone. */
  lost: void;
}

/** What servers work with; the browser resamples to it where it can. */
const PREFERRED_RATE = 16000;

/** A microphone, with the browser's echo cancellation. */
export class Microphone extends Emitter<MicrophoneEvents> {
  readonly sampleRate: number;
  readonly #context: AudioContext;
  readonly #stream: MediaStream;
  readonly #port: MessagePort;

  private constructor(context: AudioContext, stream: MediaStream, port: MessagePort) {
    super();
    this.sampleRate = context.sampleRate;
    this.#context = context;
    this.#stream = stream;
    this.#port = port;
    port.onmessage = ({ data }: MessageEvent<FromCapture>) => this.emit("sound", data);
    this.#track.onended = () => this.emit("lost", undefined);
  }

  /**
   * Open a microphone; the browser asks the person where they have not allowed it before.
   *
   * @param deviceId Which one; empty for the browser's choice.
   * @throws VoiceError: there is none, or none that may be used.
   */
  static async open(deviceId = ""): Promise<Microphone> {
    const stream = await openStream(deviceId);
    try {
      const [context, source] = openContext(stream);
      const url = new URL(/* @vite-ignore */ "./capture.worklet.js", import.meta.url);
      await loadWorklet(context, url);
      const node = new AudioWorkletNode(context, "voicewire-capture", { numberOfOutputs: 0 });
      const microphone = new Microphone(context, stream, node.port);
      source.connect(node);
      void context.resume();
      return microphone;
    } catch (error) {
      stopTracks(stream);
      throw error;
    }
  }

  get #track(): MediaStreamTrack {
    return this.#stream.getAudioTracks()[0]!;
  }

  get deviceId(): string {
    return this.#track.getSettings().deviceId ?? "";
  }

  /** Hear nothing; the browser shows that the microphone is off. */
  set isMuted(isMuted: boolean) {
    this.#track.enabled = !isMuted;
  }

  resume(): void {
    if (this.#context.state !== "closed") {
      void this.#context.resume();
    }
  }

  /** Hear nothing, and tell nothing any more. */
  close(): void {
    this.#track.onended = this.#port.onmessage = null;
    stopTracks(this.#stream);
    if (this.#context.state !== "closed") {
      void this.#context.close();
    }
  }
}

async function openStream(deviceId: string): Promise<MediaStream> {
  if (!globalThis.isSecureContext) {
    throw new VoiceError("insecure-page", "a microphone needs https or localhost");
  }
  if (navigator.mediaDevices === undefined || globalThis.AudioWorkletNode === undefined) {
    throw new VoiceError("unsupported-browser", "no AudioWorklet, or no access to microphones");
  }
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: {
        echoCancellation: true,
        noiseSuppression: true,
        autoGainControl: true,
        channelCount: 1,
        ...(deviceId === "" ? {} : { deviceId: { exact: deviceId } }),
      },
    });
  } catch (error) {
    throw explain(error);
  }
}

function explain(error: unknown): VoiceError {
  const { name, message } = error as DOMException;
  if (name === "NotAllowedError" || name === "SecurityError") {
    return new VoiceError("microphone-denied", message, { cause: error });
  }
  if (name === "NotFoundError" || name === "OverconstrainedError") {
    return new VoiceError("microphone-missing", message, { cause: error });
  }
  return new VoiceError("microphone-busy", message, { cause: error });
}

function openContext(stream: MediaStream): [AudioContext, MediaStreamAudioSourceNode] {
  const context = new AudioContext({ sampleRate: PREFERRED_RATE });
  try {
    return [context, context.createMediaStreamSource(stream)];
  } catch {
    // Firefox connects a microphone only at the microphone's own rate; the server resamples.
    void context.close();
    const own = new AudioContext();
    return [own, own.createMediaStreamSource(stream)];
  }
}

function stopTracks(stream: MediaStream): void {
  for (const track of stream.getTracks()) {
    track.stop();
  }
}
