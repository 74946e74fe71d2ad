/** RTVI: the JSON messages beside the audio. Pure. */

const LABEL = "rtvi-ai";
const VERSION = "2.1.0";

export interface RtviMessage {
  readonly type: string;
  readonly id?: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Returns the JSON of a message. */
export function toJson(type: string, data: unknown = {}, id = newId()): string {
  return JSON.stringify({ label: LABEL, id, type, data });
}

export function newId(): string {
  return Math.random().toString(36).slice(2, 10);
}

/** Returns the message in a JSON text; null if it is none of RTVI. */
export function fromJson(json: string): RtviMessage | null {
  let content: unknown;
  try {
    content = JSON.parse(json);
  } catch {
    return null;
  }
  if (!isRecord(content) || content["label"] !== LABEL || typeof content["type"] !== "string") {
    return null;
  }
  const { type, id, data } = content as { type: string; id?: unknown; data?: unknown };
  return {
    type,
    data: isRecord(data) ? data : {},
    ...(typeof id === "string" ? { id } : {}),
  };
}

/** Returns what a client says first. */
export function hello(libraryVersion: string, { opus }: { opus: boolean }): unknown {
  return {
    version: VERSION,
    about: {
      library: "voicewire-client",
      library_version: libraryVersion,
      platform: "web",
      platform_details: { user_agent: navigator.userAgent },
    },
    voicewire: { playout: true, flush: true, cut: true, resume: true, opus },
  };
}

export function text(message: RtviMessage, key: string): string {
  const value = message.data[key];
  return typeof value === "string" ? value : "";
}

/** A sentence of the bot's, and how much of it the caller has heard. */
export interface SpokenSentence {
  readonly id: number;
  readonly text: string;
  readonly heard: string;
}

/** Returns the sentences that a `vw-cut` tells of. */
export function spokenSentences(message: RtviMessage): SpokenSentence[] {
  const segments = message.data["segments"];
  return (Array.isArray(segments) ? segments : []).map((segment: Record<string, unknown>) => ({
    id: Number(segment["segment_id"]),
    text: String(segment["text"]),
    heard: String(segment["heard"]),
  }));
}

export function number(message: RtviMessage, key: string): number {
  const value = message.data[key];
  return typeof value === "number" ? value : 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
