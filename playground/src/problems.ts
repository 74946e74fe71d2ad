import type { VoiceErrorCode } from "voicewire-client";

/** What a person can do about it. */
export interface Problem {
  readonly title: string;
  readonly advice: string;
  /** Whether the bot can be written to without a microphone. */
  readonly canWrite?: true;
}

export const PROBLEMS: Readonly<Record<VoiceErrorCode, Problem>> = {
  "insecure-page": {
    title: "This page may not use the microphone",
    advice:
      "Browsers give the microphone only to pages on https:// or on localhost. Open the page there.",
    canWrite: true,
  },
  "unsupported-browser": {
    title: "This browser is too old",
    advice: "It cannot record sound for a page. A current Chrome, Edge, Firefox or Safari can.",
    canWrite: true,
  },
  "microphone-denied": {
    title: "The microphone is not allowed",
    advice:
      "Click the icon at the left of the page's address, allow the microphone, and try again. " +
      "If it stays blocked, look into the privacy settings of your system.",
    canWrite: true,
  },
  "microphone-missing": {
    title: "There is no microphone",
    advice: "Plug one in or switch your headset on, and try again.",
    canWrite: true,
  },
  "microphone-busy": {
    title: "The microphone does not start",
    advice: "Another program may be using it. Close that, or choose another microphone.",
    canWrite: true,
  },
  "microphone-lost": {
    title: "The microphone is gone",
    advice: "It was unplugged or switched off. Connect one and start again; you can go on in writing.",
  },
  "server-unreachable": {
    title: "The server does not answer",
    advice: "It is not running, not reachable from here, or has no free place. Try again in a moment.",
  },
  "bot-not-ready": {
    title: "The bot does not get ready",
    advice: "The server answers, but its bot does not. Its log says why.",
  },
  "server-gone": {
    title: "The connection is lost",
    advice: "The server could not be reached again. Check the network, or whether it still runs.",
  },
  "ended-by-server": {
    title: "The server has ended the conversation",
    advice: "",
  },
  "bot-error": {
    title: "The bot has a problem",
    advice: "",
  },
};
