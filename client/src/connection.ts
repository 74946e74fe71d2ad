import { VoiceError } from "./errors.ts";
import { Emitter } from "./events.ts";
import { hasOpus, OPUS_RATE, OpusDecoder, OpusEncoder } from "./opus.ts";
import { decode, encodeAudio, encodeMessage, encodeOpus, type Audio } from "./protobuf.ts";
import { fromJson, hello, newId, number, text, toJson, type RtviMessage } from "./rtvi.ts";

export interface ConnectionEvents {
  audio: Audio;
  message: RtviMessage;
  /** The time from here to the server and back. */
  roundTrip: number;
  close: { readonly code: number; readonly reason: string };
}

/** How audio goes over the wire. */
export type Codec = "pcm" | "opus";

/** How long the server may take to answer, and its bot to get ready. */
const OPEN_SECS = 10;
const READY_SECS = 30;

/** What a server calls itself that answers our pings. */
const OUR_SERVER = "voicewire";

const PING_SECS = 2;

/** A server that says nothing for so long is gone, whatever the browser believes. */
const SILENT_SECS = 10;

/** Two seconds of microphone audio that the network does not take; what comes then is dropped. */
const MAX_UNSENT_BYTES = 64 * 1024;

/** Close code for a connection that has fallen silent (4000-4999 are for applications). */
export const CLOSE_SILENT = 4000;

/** One WebSocket connection, from the hello to the goodbye. */
export class Connection extends Emitter<ConnectionEvents> {
  readonly #socket: WebSocket;
  #pings: ReturnType<typeof setInterval> | undefined;
  #heardAt = performance.now();
  #ready: ((answer: RtviMessage) => void) | undefined;
  #readyId = "";
  #isOver = false;
  #opusEncoder: OpusEncoder | undefined;
  #opusDecoder: OpusDecoder | undefined;

  private constructor(socket: WebSocket) {
    super();
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => this.#take(data);
    socket.onclose = ({ code, reason }) => this.#inTurn(() => this.#end(code, reason));
  }

  /**
   * Connect, and wait until the bot is ready.
   *
   * @param codec What is asked for; it is PCM where the browser or the server has no Opus.
   * @param listen Called before anything can arrive, to add listeners.
   * @throws VoiceError: there is no server, or its bot does not get ready.
   */
  static async open(
    url: string,
    libraryVersion: string,
    codec: Codec,
    listen: (connection: Connection) => void,
  ): Promise<Connection> {
    const opus = codec === "opus" && (await hasOpus());
    const socket = await openSocket(url);
    const connection = new Connection(socket);
    listen(connection);
    if ((await connection.#sayHello(hello(libraryVersion, { opus }))) === OUR_SERVER) {
      connection.#keepInTouch();
    }
    return connection;
  }

  sendAudio(samples: Int16Array<ArrayBuffer>, sampleRate: number): boolean {
    const isOpen = this.#socket.readyState === WebSocket.OPEN;
    if (!isOpen || this.#socket.bufferedAmount > MAX_UNSENT_BYTES) {
      return false;
    }
    if (this.#opusEncoder !== undefined) {
      this.#opusEncoder.encode(samples, sampleRate);
    } else {
      this.#socket.send(encodeAudio(samples, sampleRate));
    }
    return true;
  }

  send(type: string, data?: unknown, id?: string): void {
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.send(encodeMessage(toJson(type, data, id)));
    }
  }

  /** Say goodbye; nothing is announced any more. */
  close(): void {
    this.#stop();
    this.#socket.close(1000);
  }

  #take(data: unknown): void {
    this.#heardAt = performance.now();
    if (!(data instanceof ArrayBuffer) || this.#isOver) {
      return;
    }
    const decoded = decode(new Uint8Array(data));
    if (decoded?.kind === "audio") {
      this.emit("audio", decoded);
    } else if (decoded?.kind === "opus") {
      this.#opusDecoder?.decode(decoded.packet);
    } else if (decoded?.kind === "message") {
      const message = fromJson(decoded.json);
      if (message !== null) {
        this.#inTurn(() => this.#takeMessage(message));
      }
    }
  }

  /** Act behind the audio that came before, some of which may still be decoded. */
  #inTurn(act: () => void): void {
    if (this.#opusDecoder !== undefined) {
      this.#opusDecoder.afterwards(act);
    } else {
      act();
    }
  }

  #useOpus(): void {
    this.#opusEncoder = new OpusEncoder(
      (packet) => this.#socket.readyState === WebSocket.OPEN && this.#socket.send(encodeOpus(packet)),
      () => (this.#opusEncoder = undefined), // The server understands PCM as well.
    );
    this.#opusDecoder = new OpusDecoder((samples) =>
      this.emit("audio", { kind: "audio", samples, sampleRate: OPUS_RATE }),
    );
  }

  #takeMessage(message: RtviMessage): void {
    if (message.type === "vw-pong") {
      this.emit("roundTrip", performance.now() - number(message, "sent_at"));
      return;
    }
    if (message.type === "vw-codec" && text(message, "codec") === "opus") {
      this.#useOpus();
      return;
    }
    if (message.type === "bot-ready" && message.id === this.#readyId) {
      this.#ready?.(message);
    }
    this.emit("message", message);
  }

  /** Wait for the bot; returns the name of its library. */
  async #sayHello(content: unknown): Promise<unknown> {
    this.#readyId = newId();
    this.send("client-ready", content, this.#readyId);
    return new Promise((resolve, reject) => {
      const fail = (why: string) => {
        this.close();
        reject(new VoiceError("bot-not-ready", why));
      };
      const timer = setTimeout(() => fail(`not ready after ${READY_SECS} s`), READY_SECS * 1000);
      const forget = this.on("close", ({ code, reason }) => {
        clearTimeout(timer);
        fail(reason || `closed with ${code}`);
      });
      this.#ready = ({ data }) => {
        clearTimeout(timer);
        forget();
        resolve((data["about"] as { library?: unknown } | undefined)?.library);
      };
    });
  }

  #keepInTouch(): void {
    const ping = () => {
      if (performance.now() - this.#heardAt > SILENT_SECS * 1000) {
        this.#socket.close(CLOSE_SILENT);
        this.#end(CLOSE_SILENT, "the server has fallen silent");
      } else {
        this.send("vw-ping", { sent_at: performance.now() });
      }
    };
    this.#pings = setInterval(ping, PING_SECS * 1000);
    ping();
  }

  #end(code: number, reason: string): void {
    if (!this.#isOver) {
      this.#stop();
      this.emit("close", { code, reason });
    }
  }

  #stop(): void {
    this.#isOver = true;
    clearInterval(this.#pings);
    this.#opusEncoder?.close();
    this.#opusDecoder?.close();
  }
}

async function openSocket(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url);
  await new Promise<void>((resolve, reject) => {
    const fail = () => {
      clearTimeout(timer);
      socket.onopen = socket.onclose = null;
      socket.close();
      // Browsers do not say why: no server there, one that is full, or one that refuses the page.
      reject(new VoiceError("server-unreachable", `no connection to ${url}`));
    };
    const timer = setTimeout(fail, OPEN_SECS * 1000);
    socket.onclose = fail;
    socket.onopen = () => {
      clearTimeout(timer);
      resolve();
    };
  });
  return socket;
}
