import { VoiceError } from "./errors.ts";

/**
 * Load a worklet, which lies beside this script.
 *
 * @throws VoiceError: the browser has none, or the page's server does not answer any more.
 */
export async function loadWorklet(context: AudioContext, url: URL): Promise<void> {
  if (context.audioWorklet === undefined) {
    const code = globalThis.isSecureContext ? "unsupported-browser" : "insecure-page";
    throw new VoiceError(code, "there is no AudioWorklet");
  }
  try {
    await context.audioWorklet.addModule(url);
  } catch (error) {
    const message = `${url.pathname} cannot be loaded`;
    throw new VoiceError("server-unreachable", message, { cause: error });
  }
}
