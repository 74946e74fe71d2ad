import { retryDelaySecs } from "./backoff.ts";
import { Connection, type Codec } from "./connection.ts";
import { VoiceError } from "./errors.ts";
import { Emitter } from "./events.ts";
import type { JitterBufferState } from "./jitter-buffer.ts";
import { Microphone } from "./microphone.ts";
import { OPUS_RATE } from "./opus.ts";
import { Player } from "./player.ts";
import type { Audio } from "./protobuf.ts";
import { newId, number, spokenSentences, text, type RtviMessage, type SpokenSentence } from "./rtvi.ts";

export const VERSION = "0.1.0";

export interface VoiceClientOptions {
  /**
   * `ws://...` or `wss://...`; by default the server that the page comes from. A function is asked
   * for it before each attempt to connect and to come back: for tokens that let in once.
   */
  readonly url?: string | (() => string | Promise<string>);
  /** `opus` takes a tenth of the bytes, where the browser and the server have it. */
  readonly codec?: Codec;
}

export interface ConnectOptions {
  /** Without a microphone the caller writes. */
  readonly microphone?: boolean;
}

export type VoiceState = "idle" | "connecting" | "ready" | "reconnecting";

export interface VoiceEvents {
  state: VoiceState;
  /** What went wrong. Of those that end the conversation, the state says so. */
  error: VoiceError;
  /** The connection is lost for now; what both sides say meanwhile is kept. */
  lost: void;
  /**
   * Another server goes on with the conversation, as far as the one before had kept it: `resumed`
   * follows. Of the last second something may have to be said again.
   */
  renewed: void;
  /** It is there again, and the conversation goes on where it was. */
  resumed: void;
  /** The conversation is lost; the next attempt to begin anew comes by itself. */
  retry: { readonly attempt: number; readonly inSecs: number };
  /**
   * The server will leave within so many seconds, when the turn under way has come to its end. The
   * client then calls again by itself, and reaches another one or the next.
   */
  goaway: { readonly withinSecs: number; readonly reason: string };
  /** The conversation is over as it should be. */
  ended: { readonly reason: string };
  /** The loudest sample of the last moment, 0..1, twenty times a second. */
  callerLevel: number;
  botLevel: number;
  /** By the server's voice activity detection. */
  callerSpeaking: boolean;
  /** By what comes out of the loudspeakers. */
  botSpeaking: boolean;
  transcript: { readonly text: string; readonly isFinal: boolean };
  /** The language model's answer, as it streams. */
  answer: { readonly phase: "started" | "text" | "stopped"; readonly text: string };
  /**
   * A sentence of the bot's: `new` before it is said, `completed` when its audio has come to its
   * end `endsAtMs` into the stream.
   */
  sentence: {
    readonly id: number;
    readonly text: string;
    readonly status: "new" | "completed";
    readonly isSpoken: boolean;
    readonly endsAtMs: number;
  };
  /** The first audio of an utterance has arrived. */
  firstAudio: void;
  /** How far the stream has been heard, twenty times a second. A flush ends a stream. */
  playout: JitterBufferState;
  /** The bot was cut off, so far into the stream. */
  interrupted: { readonly playedMs: number };
  /**
   * What has been heard of the bot's sentences when it was cut off, as the server remembers it. Told
   * again where it has learned better.
   */
  cut: { readonly sentences: readonly SpokenSentence[] };
  quality: {
    readonly roundTripMs: number;
    /** How much the way takes more or less from one time to the next. */
    readonly jitterMs: number;
    readonly glitches: number;
    /** What the player gathers before it begins: it grows when audio comes late. */
    readonly bufferMs: number;
    /** Microphone audio that the network did not take. */
    readonly droppedMs: number;
  };
  /** Every message of RTVI, also those that have an event of their own. */
  message: RtviMessage;
}

/** Close codes after which there is nothing to come back to. */
const FINAL_CODES = new Set([1000, 1003, 1005, 1007, 1008, 1009, 4001, 4002]);
/** The server leaves, after the turn under way; another one is there, or will be. */
const CLOSE_GOING_AWAY = 1001;
const CLOSE_NORMAL = new Set([1000, 1005]);

const MAX_ATTEMPTS = 10;

/** What is said while the bot gets ready is kept, so much of it: two seconds. */
const MAX_EARLY_MESSAGES = 100;

/** How often the server is told what has been heard. */
const REPORT_SECS = 0.1;

/** Of the round trip, as TCP smooths it (RFC 6298). */
const SMOOTHING = 1 / 8;

/** How long a server that has hung up may still be heard. */
const PLAY_OUT_SECS = 3;

/** Hertz of what text-to-speech mostly makes; the player follows what comes. */
const FIRST_PLAYER_RATE = 24000;

/** How long an application may take to answer a request. */
const RESPONSE_SECS = 10;

/**
 * Talks with a voicewire bot.
 *
 * ```js
 * const client = new VoiceClient();
 * client.on("transcript", ({ text }) => console.log("you:", text));
 * button.onclick = () => client.connect();
 * ```
 */
export class VoiceClient extends Emitter<VoiceEvents> {
  readonly #findServer: () => Promise<string>;
  readonly #codec: Codec;
  #state: VoiceState = "idle";
  #connection: Connection | undefined;
  #microphone: Microphone | undefined;
  #player: Player | undefined;
  #early: { readonly samples: Int16Array<ArrayBuffer>; readonly sampleRate: number }[] = [];
  #untilPlayer: Int16Array<ArrayBuffer>[] | undefined;
  #isMuted = false;
  #retryNow: (() => void) | undefined;
  #streamId = 0;
  #receivedMs = 0;
  #isUtteranceNew = true;
  #numFlushes = 0;
  #sentences: VoiceEvents["sentence"][] = [];
  #reportedAt = 0;
  #roundTripMs = 0;
  #jitterMs = 0;
  #glitches = 0;
  #bufferMs = 0;
  #droppedMs = 0;
  #responses = new Map<string, (message: RtviMessage) => void>();
  #microphoneId = "";
  #speakerId = "";
  #attempts = 0;

  constructor({ url = defaultUrl(), codec = "pcm" }: VoiceClientOptions = {}) {
    super();
    this.#findServer = async () => (typeof url === "function" ? url() : url);
    this.#codec = codec;
  }

  get state(): VoiceState {
    return this.#state;
  }

  /**
   * Begin to talk. Call it from a click: browsers let a page make no sound before.
   *
   * @throws VoiceError: there is no microphone that may be used, or no server.
   */
  async connect({ microphone = true }: ConnectOptions = {}): Promise<void> {
    if (this.#state !== "idle") {
      return;
    }
    const attempt = ++this.#attempts;
    this.#setState("connecting");
    // At once, while the browser still knows of the click.
    const rate = this.#codec === "opus" ? OPUS_RATE : FIRST_PLAYER_RATE;
    const opening = Player.open(rate, this.#speakerId).then((player) => {
      if (attempt === this.#attempts) {
        this.#usePlayer(player);
      } else {
        player.close(); // Disconnected meanwhile.
      }
    });
    opening.catch(() => undefined); // It is looked at below, or something else has failed first.
    try {
      if (microphone) {
        await this.#openMicrophone(this.#microphoneId);
      }
      await opening;
      await this.#openConnection();
      if (attempt === this.#attempts) {
        this.#setState("ready");
      }
    } catch (error) {
      if (attempt === this.#attempts) {
        this.#finish();
        throw error;
      }
    }
  }

  /** End the conversation. */
  disconnect(): void {
    if (this.#state !== "idle") {
      this.#finish();
      this.emit("ended", { reason: "" });
    }
  }

  get isMuted(): boolean {
    return this.#isMuted;
  }

  set isMuted(isMuted: boolean) {
    this.#isMuted = isMuted;
    if (this.#microphone !== undefined) {
      this.#microphone.isMuted = isMuted;
    }
  }

  get hasMicrophone(): boolean {
    return this.#microphone !== undefined;
  }

  /** Write instead of speak; the bot is interrupted and answers. */
  sendText(content: string, { isSpoken = true } = {}): void {
    this.#connection?.send("send-text", {
      content,
      options: { run_immediately: true, audio_response: isSpoken },
    });
  }

  /** Send a message of the application's own to its `on_client_message`. */
  sendMessage(type: string, data: unknown = null): void {
    this.#connection?.send("client-message", { t: type, d: data });
  }

  /** Ask the application something; resolves with its answer. */
  async request(type: string, data: unknown = null): Promise<unknown> {
    const connection = this.#connection;
    if (connection === undefined) {
      throw new Error(`${type}: there is no connection`);
    }
    const id = newId();
    const answer = await new Promise<RtviMessage>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#responses.delete(id);
        reject(new Error(`${type}: no answer within ${RESPONSE_SECS} s`));
      }, RESPONSE_SECS * 1000);
      this.#responses.set(id, (message) => {
        clearTimeout(timer);
        resolve(message);
      });
      connection.send("client-message", { t: type, d: data }, id);
    });
    if (answer.type === "error-response") {
      throw new Error(text(answer, "error"));
    }
    return answer.data["d"];
  }

  /** The microphones and loudspeakers; they have names once a microphone was allowed. */
  async devices(): Promise<{ microphones: MediaDeviceInfo[]; speakers: MediaDeviceInfo[] }> {
    const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    return {
      microphones: all.filter(({ kind }) => kind === "audioinput"),
      speakers: all.filter(({ kind }) => kind === "audiooutput"),
    };
  }

  get microphoneId(): string {
    return this.#microphone?.deviceId ?? this.#microphoneId;
  }

  async useMicrophone(deviceId: string): Promise<void> {
    this.#microphoneId = deviceId;
    if (this.#microphone !== undefined) {
      await this.#openMicrophone(deviceId);
    }
  }

  async useSpeaker(deviceId: string): Promise<void> {
    this.#speakerId = deviceId;
    await this.#player?.useDevice(deviceId);
  }

  /** Go on after the browser has stopped the sound, as when a phone comes back to the page. */
  resume(): void {
    this.#player?.resume();
    this.#microphone?.resume();
    this.#retryNow?.();
  }

  // The connection.

  async #openConnection(): Promise<void> {
    this.#streamId = 0;
    this.#receivedMs = 0;
    this.#isUtteranceNew = true;
    const attempt = this.#attempts;
    const connection = await Connection.open(this.#findServer, VERSION, this.#codec, (connection) => {
      connection.on("audio", (audio) => this.#takeAudio(audio));
      connection.on("message", (message) => this.#takeMessage(message));
      connection.on("roundTrip", (ms) => this.#takeRoundTrip(ms));
      connection.on("lost", () => this.emit("lost", undefined));
      connection.on("renewed", () => void this.#renewed());
      connection.on("resumed", () => this.emit("resumed", undefined));
      connection.on("close", (end) => {
        if (connection === this.#connection) {
          this.#connectionEnded(end);
        }
      });
    });
    if (attempt !== this.#attempts) {
      connection.close();
      return;
    }
    this.#connection = connection;
    for (const { samples, sampleRate } of this.#early.splice(0)) {
      connection.sendAudio(samples, sampleRate);
    }
  }

  #connectionEnded({ code, reason }: { code: number; reason: string }): void {
    this.#connection = undefined;
    if (!FINAL_CODES.has(code)) {
      void this.#comeBack(code, reason);
      return;
    }
    if (!CLOSE_NORMAL.has(code)) {
      this.emit("error", new VoiceError("ended-by-server", reason || `closed with ${code}`));
    }
    const session = this.#attempts;
    void this.#playOut().then(() => {
      if (session === this.#attempts) {
        this.#finish();
        this.emit("ended", { reason });
      }
    });
  }

  /** Let what has come be heard to its end. */
  async #playOut(): Promise<void> {
    const player = this.#player;
    if (player !== undefined) {
      await new Promise<void>((resolve) => {
        player.on("report", ({ bufferedMs }) => bufferedMs === 0 && resolve());
        setTimeout(resolve, PLAY_OUT_SECS * 1000); // A browser may have stopped the sound.
      });
    }
  }

  /** Call again; what a server that leaves has said is heard to its end before. */
  async #comeBack(code: number, reason: string): Promise<void> {
    const session = this.#attempts;
    this.#setState("reconnecting");
    if (code === CLOSE_GOING_AWAY) {
      await this.#playOut();
    }
    if (session === this.#attempts) {
      await this.#reconnect(reason);
    }
  }

  async #reconnect(reason: string): Promise<void> {
    const session = this.#attempts;
    const heard = await this.#player?.flush();
    this.emit("interrupted", { playedMs: heard?.playedMs ?? 0 });
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const inSecs = retryDelaySecs(attempt, Math.random());
      this.emit("retry", { attempt, inSecs });
      await this.#wait(inSecs);
      if (session !== this.#attempts) {
        return;
      }
      try {
        await this.#openConnection();
      } catch {
        continue;
      }
      if (session === this.#attempts) {
        this.#setState("ready");
      }
      return;
    }
    if (session === this.#attempts) {
      this.#finish();
      this.emit("error", new VoiceError("server-gone", reason || "the connection was lost"));
    }
  }

  /** Wait, or be told that the network is back. */
  async #wait(secs: number): Promise<void> {
    const over = new AbortController();
    await new Promise<void>((resolve) => {
      this.#retryNow = resolve;
      const timer = setTimeout(resolve, secs * 1000);
      over.signal.addEventListener("abort", () => clearTimeout(timer));
      globalThis.addEventListener("online", () => resolve(), { signal: over.signal });
    });
    over.abort();
    this.#retryNow = undefined;
  }

  #finish(): void {
    this.#attempts++;
    this.#retryNow?.();
    this.#connection?.close();
    this.#connection = undefined;
    this.#microphone?.close();
    this.#microphone = undefined;
    this.#player?.close();
    this.#player = undefined;
    this.#early = [];
    this.#untilPlayer = undefined;
    this.emit("callerLevel", 0);
    this.emit("botLevel", 0);
    this.#setState("idle");
  }

  #setState(state: VoiceState): void {
    if (state !== this.#state) {
      this.#state = state;
      this.emit("state", state);
    }
  }

  // The way in.

  async #openMicrophone(deviceId: string): Promise<void> {
    const attempt = this.#attempts;
    const microphone = await Microphone.open(deviceId);
    if (attempt !== this.#attempts) {
      microphone.close();
      return;
    }
    this.#microphone?.close();
    this.#microphone = microphone;
    microphone.isMuted = this.#isMuted;
    microphone.on("sound", ({ samples, level }) => {
      this.emit("callerLevel", level);
      this.#sendAudio(samples, microphone.sampleRate);
    });
    microphone.on("lost", () => void this.#replaceMicrophone());
  }

  async #replaceMicrophone(): Promise<void> {
    try {
      await this.#openMicrophone("");
    } catch (error) {
      this.emit("error", new VoiceError("microphone-lost", "unplugged", { cause: error }));
    }
  }

  #sendAudio(samples: Int16Array<ArrayBuffer>, sampleRate: number): void {
    if (this.#connection !== undefined) {
      if (!this.#connection.sendAudio(samples, sampleRate)) {
        this.#droppedMs += (samples.length * 1000) / sampleRate;
      }
    } else {
      this.#early.push({ samples, sampleRate });
      if (this.#early.length > MAX_EARLY_MESSAGES) {
        this.#early.shift();
      }
    }
  }

  // The way out.

  #usePlayer(player: Player): void {
    this.#player?.close();
    this.#player = player;
    player.on("playing", (isPlaying) => this.emit("botSpeaking", isPlaying));
    player.on("report", (report) => {
      this.emit("botLevel", report.level);
      this.emit("playout", report);
      this.#glitches = report.glitches;
      this.#bufferMs = report.targetMs;
      const now = performance.now();
      if (report.isPlaying && now - this.#reportedAt >= REPORT_SECS * 1000) {
        this.#reportedAt = now;
        this.#reportPlayout(this.#streamId, report.playedMs, report.bufferedMs);
      }
    });
  }

  #takeAudio({ samples, sampleRate }: Audio): void {
    if (this.#player === undefined) {
      return;
    }
    if (this.#isUtteranceNew) {
      this.#isUtteranceNew = false;
      this.emit("firstAudio", undefined);
    }
    this.#receivedMs += (samples.length * 1000) / sampleRate;
    if (this.#untilPlayer !== undefined) {
      this.#untilPlayer.push(samples);
    } else if (sampleRate === this.#player.sampleRate) {
      this.#player.play(samples);
    } else {
      this.#untilPlayer = [samples];
      void this.#changePlayer(sampleRate);
    }
  }

  /** Play at another rate; what comes until then waits. */
  async #changePlayer(sampleRate: number): Promise<void> {
    const session = this.#attempts;
    const player = await Player.open(sampleRate, this.#speakerId);
    if (session !== this.#attempts) {
      player.close();
      return;
    }
    this.#usePlayer(player);
    for (const samples of this.#untilPlayer ?? []) {
      player.play(samples);
    }
    this.#untilPlayer = undefined;
  }

  #takeMessage(message: RtviMessage): void {
    this.emit("message", message);
    switch (message.type) {
      case "user-started-speaking":
      case "user-stopped-speaking":
        this.emit("callerSpeaking", message.type === "user-started-speaking");
        break;
      case "user-transcription":
        this.emit("transcript", {
          text: text(message, "text"),
          isFinal: message.data["final"] === true,
        });
        break;
      case "bot-llm-started":
        this.emit("answer", { phase: "started", text: "" });
        break;
      case "bot-llm-text":
        this.emit("answer", { phase: "text", text: text(message, "text") });
        break;
      case "bot-llm-stopped":
        this.emit("answer", { phase: "stopped", text: "" });
        break;
      case "bot-started-speaking":
        this.#isUtteranceNew = true;
        this.#player?.begin();
        break;
      case "bot-output":
        this.#takeSentence({
          id: number(message, "segment_id"),
          text: text(message, "text"),
          status: message.data["spoken_status"] === "completed" ? "completed" : "new",
          isSpoken: message.data["will_be_spoken"] === true,
          endsAtMs: this.#receivedMs,
        });
        break;
      case "error":
        this.emit("error", new VoiceError("bot-error", text(message, "error")));
        break;
      case "vw-cut":
        this.emit("cut", { sentences: spokenSentences(message) });
        break;
      case "vw-goaway":
        this.emit("goaway", {
          withinSecs: number(message, "within_secs"),
          reason: text(message, "reason"),
        });
        break;
      case "vw-flush":
        void this.#flush(number(message, "stream_id"));
        break;
      case "server-response":
      case "error-response":
        this.#responses.get(message.id ?? "")?.(message);
        this.#responses.delete(message.id ?? "");
        break;
    }
  }

  /** Tell of a sentence, after the interruption that came before it. */
  #takeSentence(sentence: VoiceEvents["sentence"]): void {
    if (this.#numFlushes > 0) {
      this.#sentences.push(sentence);
    } else {
      this.emit("sentence", sentence);
    }
  }

  async #flush(nextStreamId: number): Promise<void> {
    const endedStreamId = this.#streamId;
    this.#streamId = nextStreamId;
    this.#receivedMs = 0;
    if (this.#untilPlayer !== undefined) {
      this.#untilPlayer = [];
    }
    if (this.#player !== undefined) {
      this.#numFlushes++;
      const { playedMs } = await this.#player.flush();
      this.#numFlushes--;
      this.#reportPlayout(endedStreamId, playedMs, 0);
      this.emit("interrupted", { playedMs });
      for (const sentence of this.#sentences.splice(0)) {
        this.#takeSentence(sentence);
      }
    }
  }

  /** Drop what the server has left unfinished that is no more. */
  async #renewed(): Promise<void> {
    this.#streamId = 0;
    this.#receivedMs = 0;
    this.#isUtteranceNew = true;
    if (this.#untilPlayer !== undefined) {
      this.#untilPlayer = [];
    }
    this.emit("renewed", undefined);
    const heard = await this.#player?.flush();
    this.emit("interrupted", { playedMs: heard?.playedMs ?? 0 });
  }

  #reportPlayout(streamId: number, playedMs: number, bufferedMs: number): void {
    this.#connection?.send("vw-playout", {
      stream_id: streamId,
      played_ms: playedMs,
      buffered_ms: bufferedMs,
    });
  }

  #takeRoundTrip(ms: number): void {
    const first = this.#roundTripMs === 0;
    this.#jitterMs += first ? 0 : (Math.abs(ms - this.#roundTripMs) - this.#jitterMs) * SMOOTHING;
    this.#roundTripMs += first ? ms : (ms - this.#roundTripMs) * SMOOTHING;
    this.emit("quality", {
      roundTripMs: this.#roundTripMs,
      jitterMs: this.#jitterMs,
      glitches: this.#glitches,
      bufferMs: this.#bufferMs,
      droppedMs: this.#droppedMs,
    });
  }
}

function defaultUrl(): string {
  const { protocol, host } = globalThis.location;
  return `${protocol === "https:" ? "wss" : "ws"}://${host}/ws`;
}
