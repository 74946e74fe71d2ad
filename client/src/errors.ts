/** What went wrong, by name; a page finds its own words for each. */
export type VoiceErrorCode =
  /** The page is neither https nor on localhost: a browser then gives no microphone. */
  | "insecure-page"
  /** The browser lacks AudioWorklet or microphone access. */
  | "unsupported-browser"
  /** The caller, or a policy, does not allow the microphone. */
  | "microphone-denied"
  /** There is no microphone. */
  | "microphone-missing"
  /** Another program has the microphone, or it does not work. */
  | "microphone-busy"
  /** The microphone was unplugged. */
  | "microphone-lost"
  /** No server answers at the address, or it does not let anybody in. */
  | "server-unreachable"
  /** The server answers, but its bot does not get ready. */
  | "bot-not-ready"
  /** The connection was lost, and could not be made again. */
  | "server-gone"
  /** The server has ended the conversation, and says why. */
  | "ended-by-server"
  /** The bot tells of a failure; the conversation goes on. */
  | "bot-error";

export class VoiceError extends Error {
  readonly code: VoiceErrorCode;

  constructor(code: VoiceErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "VoiceError";
    this.code = code;
  }
}
