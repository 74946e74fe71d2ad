import type { VoiceClient } from "voicewire-client";

import { page } from "./page.ts";

/** Let the caller choose where there is a choice. */
export async function showDevices(client: VoiceClient): Promise<void> {
  const { microphones, speakers } = await client.devices();
  fill(page.microphones, microphones, client.microphoneId);
  fill(page.speakers, canChooseSpeaker() ? speakers : [], "");
}

function fill(select: HTMLSelectElement, devices: MediaDeviceInfo[], chosen: string): void {
  const named = devices.filter(({ deviceId }) => deviceId !== "");
  const options = named.map(({ label, deviceId }, i) => {
    return new Option(label || `Device ${i + 1}`, deviceId, false, deviceId === chosen);
  });
  select.replaceChildren(...options);
  select.parentElement!.hidden = options.length < 2;
}

function canChooseSpeaker(): boolean {
  return "setSinkId" in AudioContext.prototype;
}
