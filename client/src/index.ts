export { VoiceClient, VERSION } from "./client.ts";
export type { ConnectOptions, VoiceClientOptions, VoiceEvents, VoiceState } from "./client.ts";
export type { Codec } from "./connection.ts";
export { VoiceError } from "./errors.ts";
export type { VoiceErrorCode } from "./errors.ts";
export type { JitterBufferState } from "./jitter-buffer.ts";
export type { RtviMessage, SpokenSentence } from "./rtvi.ts";
