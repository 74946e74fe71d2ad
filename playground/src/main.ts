import { VoiceClient, VoiceError, type Codec } from "voicewire-client";

import { showCaptions } from "./captions-view.ts";
import { Captions } from "./captions.ts";
import { showDevices } from "./devices.ts";
import { page } from "./page.ts";
import { PROBLEMS } from "./problems.ts";
import { showTurns } from "./turns-view.ts";
import { Turns } from "./turns.ts";

/** Where the conversation stands; the page's colours follow it. */
type Phase = "yours" | "listening" | "thinking" | "speaking" | "interrupted";

const STATUS: Readonly<Record<Phase, string>> = {
  yours: "Your turn.",
  listening: "Listening …",
  thinking: "Thinking …",
  speaking: "Speaking. Interrupt whenever you like.",
  interrupted: "Interrupted. Listening …",
};

const client = new VoiceClient({ codec: codecAsked(), url: serverUrl() });
let captions = new Captions();
let turns = new Turns();
let phase: Phase = "yours";
let isDrawing = false;

// What the caller does.

page.talk.onclick = () => {
  if (client.state === "idle") {
    void connect(true);
  } else {
    client.disconnect();
  }
};

page.problemRetry.onclick = () => void connect(true);
page.problemWrite.onclick = () => void connect(false);

page.mute.onclick = () => {
  client.isMuted = !client.isMuted;
  page.mute.setAttribute("aria-pressed", String(client.isMuted));
  page.mute.textContent = client.isMuted ? "Unmute" : "Mute";
  showStatus();
};

page.write.onsubmit = (event) => {
  event.preventDefault();
  const text = page.text.value.trim();
  if (text !== "" && client.state === "ready") {
    client.sendText(text);
    captions.wrote(text);
    turns.callerWrote(performance.now());
    setPhase("thinking");
    page.text.value = "";
  }
};

page.microphones.onchange = () => {
  client.useMicrophone(page.microphones.value).catch(showError);
};
page.speakers.onchange = () => {
  client.useSpeaker(page.speakers.value).catch(showError);
};

document.onkeydown = (event) => {
  if (event.target === page.text || event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  if (event.key === "m" && !page.controls.hidden) {
    page.mute.click();
  } else if (event.key === "Escape") {
    client.disconnect();
  }
};

document.onvisibilitychange = () => {
  if (document.visibilityState === "visible") {
    client.resume();
  }
};

async function connect(withMicrophone: boolean): Promise<void> {
  page.problem.hidden = true;
  captions = new Captions();
  turns = new Turns();
  page.timeline.replaceChildren();
  draw();
  try {
    await client.connect({ microphone: withMicrophone });
    await showDevices(client);
  } catch (error) {
    showError(error);
  }
}

// What the client tells.

client.on("state", (state) => {
  document.body.dataset["state"] = state;
  const isReady = state === "ready";
  page.talkLabel.textContent = state === "idle" ? "Talk" : "Hang up";
  page.controls.hidden = !isReady || !client.hasMicrophone;
  page.quality.hidden = state === "idle";
  page.text.disabled = page.send.disabled = !isReady;
  if (isReady && !client.hasMicrophone) {
    page.text.focus();
  }
  setPhase("yours");
  if (state === "idle") {
    turns.end(performance.now());
    captions.end();
  }
});

client.on("lost", () => {
  page.status.textContent = "Connection lost. Coming back …";
});

client.on("resumed", showStatus);

client.on("retry", ({ attempt, inSecs }) => {
  const when = `${Math.ceil(inSecs)} s`;
  page.status.textContent = `Connection lost. Attempt ${attempt} to come back, in ${when} …`;
});

client.on("ended", ({ reason }) => {
  page.status.textContent = reason === "" ? "The conversation is over." : `Over: ${reason}.`;
});

client.on("error", showError);

client.on("callerLevel", (level) => showLevel("caller", level));
client.on("botLevel", (level) => showLevel("bot", level));

client.on("callerSpeaking", (isSpeaking) => {
  const now = performance.now();
  if (isSpeaking) {
    const isBargingIn = phase === "speaking" || phase === "interrupted";
    turns.callerSpeaks(now);
    setPhase(isBargingIn ? "interrupted" : "listening");
  } else {
    turns.callerStops(now);
    setPhase("thinking");
  }
});

client.on("transcript", ({ text, isFinal }) => {
  captions.transcript(text, isFinal);
  if (isFinal) {
    turns.transcript(performance.now());
    announce(`You: ${text}`);
  }
  draw();
});

client.on("answer", ({ phase }) => {
  if (phase === "text") {
    turns.token(performance.now());
  }
});

client.on("firstAudio", () => turns.audio(performance.now()));

client.on("botSpeaking", (isSpeaking) => {
  const now = performance.now();
  if (isSpeaking) {
    turns.botSpeaks(now);
    setPhase("speaking");
  } else {
    turns.botStops(now);
    if (phase === "speaking") {
      setPhase("yours");
    }
  }
});

client.on("sentence", ({ id, text, status, isSpoken, endsAtMs }) => {
  if (!isSpoken) {
    captions.written(id, text);
  } else if (status === "new") {
    captions.sentenceBegins(id, text, endsAtMs);
  } else {
    captions.sentenceEnds(id, endsAtMs);
  }
  if (status === "new") {
    announce(`Bot: ${text}`);
  }
  draw();
});

client.on("playout", ({ playedMs, isPlaying }) => {
  captions.played(playedMs);
  if (isPlaying || phase !== "yours") {
    draw();
  }
});

client.on("interrupted", ({ playedMs }) => {
  captions.interrupted(playedMs);
  turns.interrupted(performance.now());
  draw();
});

client.on("cut", ({ sentences }) => {
  captions.cut(sentences);
  draw();
});

client.on("quality", ({ roundTripMs, jitterMs, bufferMs, glitches }) => {
  page.roundTrip.textContent = `${Math.round(roundTripMs)} ms`;
  page.jitter.textContent = `${Math.round(jitterMs)} ms`;
  page.buffer.textContent = `${Math.round(bufferMs)} ms`;
  page.glitches.textContent = String(glitches);
});

// What the page shows.

function setPhase(next: Phase): void {
  phase = next;
  document.body.dataset["phase"] = next;
  showStatus();
  draw();
}

function showStatus(): void {
  if (client.state === "connecting") {
    page.status.textContent = "Connecting …";
  } else if (client.state === "ready") {
    const isMuted = client.isMuted && phase === "yours";
    const isWriting = !client.hasMicrophone && phase === "yours";
    page.status.textContent = isMuted
      ? "You are muted."
      : isWriting
        ? "Write to the bot."
        : STATUS[phase];
  }
}

function showLevel(who: "caller" | "bot", level: number): void {
  // The ear hears in decibels: -50 dBFS is nothing, 0 is all.
  const part = level === 0 ? 0 : Math.max(0, 1 + Math.log10(level) / 2.5);
  const meter = who === "caller" ? page.callerLevel : page.botLevel;
  meter.style.setProperty("--level", part.toFixed(3));
  page.orb.style.setProperty(`--${who}-level`, part.toFixed(3));
}

function showError(error: unknown): void {
  const isKnown = error instanceof VoiceError;
  const problem = PROBLEMS[isKnown ? error.code : "bot-error"];
  const detail = error instanceof Error ? error.message : String(error);
  page.problemTitle.textContent = problem.title;
  page.problemAdvice.textContent = problem.advice || detail;
  page.problemRetry.hidden = client.state !== "idle";
  page.problemWrite.hidden = problem.canWrite === undefined || client.state !== "idle";
  page.problem.hidden = false;
  if (client.state === "idle") {
    page.status.textContent = "Press Talk to begin.";
  }
}

function announce(words: string): void {
  page.announcer.textContent = words;
}

function draw(): void {
  if (!isDrawing) {
    isDrawing = true;
    requestAnimationFrame(() => {
      isDrawing = false;
      showCaptions(captions);
      showTurns(turns, performance.now());
    });
  }
}

draw();

/** Returns what the page's address asks for: `?codec=opus`, for a slow network. */
function codecAsked(): Codec {
  return new URLSearchParams(location.search).get("codec") === "opus" ? "opus" : "pcm";
}

/**
 * Returns where the page's own server is called, with the token of `#token=...`: what stands behind
 * `#` is sent to no server, so it is in no log and in no Referer.
 */
function serverUrl(): string {
  const url = new URL("/ws", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token !== null) {
    url.searchParams.set("token", token);
  }
  return url.href;
}
