/** The elements of the page, by their ids. */

function find<Kind extends Element>(id: string, kind: new () => Kind): Kind {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) {
    throw new Error(`the page has no ${kind.name} #${id}`);
  }
  return element;
}

export const page = {
  talk: find("talk", HTMLButtonElement),
  talkLabel: find("talk-label", HTMLElement),
  orb: find("orb", HTMLElement),
  status: find("status", HTMLElement),
  controls: find("controls", HTMLElement),
  mute: find("mute", HTMLButtonElement),
  microphones: find("microphones", HTMLSelectElement),
  speakers: find("speakers", HTMLSelectElement),
  callerLevel: find("caller-level", HTMLElement),
  botLevel: find("bot-level", HTMLElement),
  problem: find("problem", HTMLElement),
  problemTitle: find("problem-title", HTMLElement),
  problemAdvice: find("problem-advice", HTMLElement),
  problemRetry: find("problem-retry", HTMLButtonElement),
  problemWrite: find("problem-write", HTMLButtonElement),
  captions: find("captions", HTMLOListElement),
  announcer: find("announcer", HTMLElement),
  write: find("write", HTMLFormElement),
  text: find("text", HTMLInputElement),
  send: find("send", HTMLButtonElement),
  timeline: find("timeline", HTMLElement),
  history: find("history", HTMLTableElement),
  quality: find("quality", HTMLElement),
  roundTrip: find("round-trip", HTMLElement),
  jitter: find("jitter", HTMLElement),
  buffer: find("buffer", HTMLElement),
  glitches: find("glitches", HTMLElement),
};
