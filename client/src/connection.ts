import { VoiceError } from "./errors.ts";
import { Emitter } from "./events.ts";
import { hasOpus, OPUS_RATE, OpusDecoder, OpusEncoder } from "./opus.ts";
import { Outbox } from "./outbox.ts";
import { decode, encodeAudio, encodeMessage, encodeOpus, type Audio } from "./protobuf.ts";
import { fromJson, hello, newId, number, text, toJson, type RtviMessage } from "./rtvi.ts";

export interface ConnectionEvents {
  audio: Audio;
  message: RtviMessage;
  /** The time from here to the server and back. */
  roundTrip: number;
  close: { readonly code: number; readonly reason: string };
  /** The connection is lost for now; what is said meanwhile is kept. */
  lost: void;
  /**
   * Another process goes on with the conversation: `resumed` follows. What the one before had not
   * sent will not come, and the next stream is the first one.
   */
  renewed: void;
  /** It is there again, and nothing is missing that has not been told of. */
  resumed: void;
}

/** How audio goes over the wire. */
export type Codec = "pcm" | "opus";

/** How long the server may take to answer, and its bot to get ready. */
const OPEN_SECS = 10;
const READY_SECS = 30;

/** What a server calls itself that answers our pings. */
const OUR_SERVER = "voicewire";

const PING_SECS = 1;

/** A server that says nothing for so long is gone, whatever the browser believes. */
const SILENT_SECS = 10;

/** The same, where coming back costs nothing. */
const SILENT_RESUMABLE_SECS = 2.5;

/** Two seconds of microphone audio that the network does not take; what comes then is dropped. */
const MAX_UNSENT_BYTES = 64 * 1024;

/** The same, where it will be sent again: half a minute. */
const MAX_KEPT_BYTES = 1024 * 1024;

/**
 * How fast a server reads at least what was kept: as fast as one speaks. Our pings wait behind that,
 * and it is not judged before.
 */
const REPLAY_BYTES_PER_MS = 32;

/** How long an attempt to come back may take, and the pause before the next one. */
const ATTEMPT_SECS = 2;
const ATTEMPT_PAUSE_SECS = 0.2;

/** How long it is tried; servers wait for half a minute. */
const RESUME_SECS = 30;

/** Close codes of applications: it has fallen silent; there is nothing to come back to. */
const CLOSE_SILENT = 4000;
const CLOSE_NOT_RESUMABLE = 4004;

/** The server leaves; others may go on with what it has kept. */
const CLOSE_GOING_AWAY = 1001;

/** Close code of a connection that was lost, and what a server says that has lost us. */
const CLOSE_ABNORMAL = 1006;
const PING_TIMEOUT = "ping timeout";

/**
 * A connection to a bot, from the hello to the goodbye. Where the server can resume, it outlives the
 * WebSockets under it: both ends repeat what the other has not got.
 */
export class Connection extends Emitter<ConnectionEvents> {
  readonly #findServer: () => Promise<string>;
  #socket: WebSocket;
  #outbox: Outbox | undefined = new Outbox(MAX_KEPT_BYTES);
  #numReceived = 0;
  #token = "";
  #isKept = false;
  #hello: unknown;
  #isLost = false;
  /** Another process goes on, and has given no token yet. */
  #isRenewed = false;
  #lostAt = 0;
  #judgedFrom = 0;
  #pings: ReturnType<typeof setInterval> | undefined;
  #heardAt = performance.now();
  #ready: ((answer: RtviMessage) => void) | undefined;
  #readyId = "";
  #resumed: (() => void) | undefined;
  #isOver = false;
  #opusEncoder: OpusEncoder | undefined;
  #opusDecoder: OpusDecoder | undefined;

  private constructor(findServer: () => Promise<string>, socket: WebSocket) {
    super();
    this.#findServer = findServer;
    this.#socket = socket;
    this.#listen(socket);
  }

  /**
   * Connect, and wait until the bot is ready.
   *
   * @param findServer Returns the URL; asked before each attempt.
   * @param codec What is asked for; it is PCM where the browser or the server has no Opus.
   * @param listen Called before anything can arrive, to add listeners.
   * @throws VoiceError: there is no server, or its bot does not get ready.
   */
  static async open(
    findServer: () => Promise<string>,
    libraryVersion: string,
    codec: Codec,
    listen: (connection: Connection) => void,
  ): Promise<Connection> {
    const opus = codec === "opus" && (await hasOpus());
    const socket = await openSocket(await findServer());
    const connection = new Connection(findServer, socket);
    listen(connection);
    connection.#hello = hello(libraryVersion, { opus });
    if ((await connection.#sayHello()) === OUR_SERVER) {
      connection.#keepInTouch();
    }
    if (connection.#token === "") {
      connection.#outbox = undefined; // Nobody acknowledges anything.
    }
    return connection;
  }

  sendAudio(samples: Int16Array<ArrayBuffer>, sampleRate: number): boolean {
    if (!this.#hasRoom) {
      return false;
    }
    if (this.#opusEncoder !== undefined) {
      this.#opusEncoder.encode(samples, sampleRate);
    } else {
      this.#post(encodeAudio(samples, sampleRate));
    }
    return true;
  }

  send(type: string, data?: unknown, id?: string): void {
    const isLasting = !type.startsWith("vw-") && type !== "client-ready";
    this.#post(encodeMessage(toJson(type, data, id)), isLasting);
  }

  /** Say goodbye; nothing is announced any more. */
  close(): void {
    this.#stop();
    this.#socket.close(1000);
  }

  #listen(socket: WebSocket): void {
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => this.#take(data);
    socket.onclose = ({ code, reason }) => this.#socketClosed(code, reason);
  }

  get #hasRoom(): boolean {
    if (this.#token !== "") {
      return this.#outbox?.isFull === false;
    }
    return this.#isSocketOpen && this.#socket.bufferedAmount <= MAX_UNSENT_BYTES;
  }

  get #isSocketOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN && !this.#isLost;
  }

  #post(message: Uint8Array<ArrayBuffer>, isLasting = true): void {
    this.#outbox?.add(message, isLasting);
    if (this.#isSocketOpen) {
      this.#socket.send(message);
    }
  }

  #take(data: unknown): void {
    this.#heardAt = performance.now();
    if (!(data instanceof ArrayBuffer) || this.#isOver) {
      return;
    }
    const decoded = decode(new Uint8Array(data));
    const message = decoded?.kind === "message" ? fromJson(decoded.json) : null;
    if (this.#isLost && message?.type !== "vw-resume") {
      return; // Whoever that is knows nothing of the session.
    }
    this.#numReceived++;
    if (decoded?.kind === "audio") {
      this.emit("audio", decoded);
    } else if (decoded?.kind === "opus") {
      this.#opusDecoder?.decode(decoded.packet);
    } else if (message?.type === "vw-resume") {
      this.#numReceived--; // It says what is to be repeated, and is not counted.
      this.#takeInvitation(message);
    } else if (message !== null) {
      this.#inTurn(() => this.#takeMessage(message));
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
      (packet) => this.#post(encodeOpus(packet)),
      () => (this.#opusEncoder = undefined), // The server understands PCM as well.
    );
    this.#opusDecoder = new OpusDecoder((samples) =>
      this.emit("audio", { kind: "audio", samples, sampleRate: OPUS_RATE }),
    );
  }

  #takeMessage(message: RtviMessage): void {
    if (message.type === "vw-pong") {
      this.#outbox?.acknowledge(number(message, "received"));
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
  async #sayHello(): Promise<unknown> {
    this.#readyId = newId();
    this.send("client-ready", this.#hello, this.#readyId);
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
      const silentSecs = this.#token === "" ? SILENT_SECS : SILENT_RESUMABLE_SECS;
      const silentSince = Math.max(this.#heardAt, this.#judgedFrom);
      if (performance.now() - silentSince > silentSecs * 1000) {
        this.#socket.close(CLOSE_SILENT);
        this.#socketClosed(CLOSE_SILENT, "the server has fallen silent");
      } else if (this.#isSocketOpen) {
        this.send("vw-ping", { sent_at: performance.now(), received: this.#numReceived });
      }
    };
    this.#pings = setInterval(ping, PING_SECS * 1000);
    ping();
  }

  // Coming back.

  #socketClosed(code: number, reason: string): void {
    const wasLost =
      code === CLOSE_ABNORMAL ||
      code === CLOSE_SILENT ||
      reason === PING_TIMEOUT ||
      (code === CLOSE_GOING_AWAY && this.#isKept);
    if (!wasLost || this.#token === "") {
      this.#inTurn(() => this.#end(code, reason));
    } else if (!this.#isLost && !this.#isOver) {
      this.#isLost = true;
      this.#lostAt = performance.now();
      this.#socket.onmessage = this.#socket.onclose = null;
      this.emit("lost", undefined);
      void this.#comeBack(code, reason);
    }
  }

  async #comeBack(code: number, reason: string): Promise<void> {
    const until = performance.now() + RESUME_SECS * 1000;
    while (!this.#isOver && performance.now() < until) {
      if (!(await this.#tryToComeBack())) {
        break;
      }
      if (!this.#isLost) {
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, ATTEMPT_PAUSE_SECS * 1000));
    }
    this.#end(code, reason);
  }

  /** Returns false where there is nothing to come back to. */
  async #tryToComeBack(): Promise<boolean> {
    const server = await within(ATTEMPT_SECS, this.#findServer()).catch(() => undefined);
    if (server === undefined) {
      return true; // Whoever knows where it is, is not reached either.
    }
    const url = new URL(server);
    url.searchParams.set("resume", this.#token);
    url.searchParams.set("received", String(this.#numReceived));
    const socket = new WebSocket(url);
    const isThere = await new Promise<boolean>((resolve) => {
      const giveUp = setTimeout(() => resolve(true), ATTEMPT_SECS * 1000);
      const stopWaiting = (isThere: boolean) => {
        clearTimeout(giveUp);
        resolve(isThere);
      };
      this.#listen(socket);
      // Where it was lost again before it was renewed, what was kept of it comes back in time.
      socket.onclose = ({ code }) =>
        stopWaiting(code !== CLOSE_NOT_RESUMABLE || this.#isRenewed);
      this.#resumed = () => {
        this.#socket = socket;
        this.#listen(socket);
        stopWaiting(true);
      };
    });
    this.#resumed = undefined;
    if (this.#socket !== socket) {
      socket.onmessage = socket.onclose = null;
      socket.close();
    }
    return isThere;
  }

  /** Take the token for the next time, and repeat what the server has not got. */
  #takeInvitation(message: RtviMessage): void {
    this.#isKept = message.data["kept"] === true;
    if (message.data["renewed"] === true) {
      this.#beginAnew();
      return;
    }
    this.#token = text(message, "token");
    this.#isRenewed = false;
    this.#outbox?.acknowledge(number(message, "received"));
    if (this.#isLost) {
      this.#goOn();
      for (const each of this.#outbox?.unacknowledged ?? []) {
        this.#socket.send(each);
      }
      this.emit("resumed", undefined);
    }
  }

  /** Go on with another process: it knows the conversation, and nothing of the connection. */
  #beginAnew(): void {
    if (!this.#isLost || this.#isOver) {
      return;
    }
    const unsent = this.#outbox?.lasting ?? [];
    this.#goOn();
    this.#isRenewed = true;
    this.#outbox = new Outbox(MAX_KEPT_BYTES);
    this.#numReceived = 0;
    this.#opusEncoder?.close();
    this.#opusDecoder?.close();
    this.#opusEncoder = this.#opusDecoder = undefined; // Until it says that it has Opus, too.
    this.emit("renewed", undefined);
    this.send("client-ready", this.#hello);
    for (const each of unsent) {
      this.#post(each);
    }
    this.emit("resumed", undefined);
  }

  #goOn(): void {
    this.#isLost = false;
    const now = performance.now();
    const keptMs = (this.#outbox?.numBytes ?? 0) / REPLAY_BYTES_PER_MS;
    this.#judgedFrom = now + Math.max(now - this.#lostAt, keptMs);
    this.#resumed?.();
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

/** Settle as `result` does; after so many seconds it is undefined. */
async function within<T>(secs: number, result: Promise<T>): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), secs * 1000);
  });
  return Promise.race([result, timeout]).finally(() => clearTimeout(timer));
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
