/** The turn as a picture: two lanes, and between them what the answer waits for. */

import type { Turn } from "./turns.ts";

const SVG = "http://www.w3.org/2000/svg";

/** Narrower than this it is scaled down. */
const LEAST_WIDTH = 300;

const HEIGHT = 178;
const LEFT = 44;
const RIGHT = 12;
const CALLER_Y = 8;
const BOT_Y = 122;
const LANE_HEIGHT = 24;
const FIRST_LABEL_Y = 52;
const LABEL_STEP = 18;
const LABEL_WIDTH = 150;

/** The picture is never of less time than this. */
const SHORTEST_MS = 3000;

/** Of a long question its end is shown. */
const QUESTION_MS = 4000;

/** Of an answer that the question cuts off, so much. */
const CUT_MS = 1000;

interface Step {
  readonly at: number | undefined;
  readonly name: string;
}

/**
 * Returns the picture of a turn as it is now.
 *
 * @param before The turn before: if this one cut it off, the end of it is shown.
 * @param pixels How wide the picture is.
 */
export function drawTurn(
  turn: Turn,
  before: Turn | undefined,
  now: number,
  pixels: number,
): SVGSVGElement {
  const cutOff = before?.interrupted === undefined ? undefined : before;
  const span = spanOf(turn, cutOff, now);
  const width = Math.max(LEAST_WIDTH, pixels);
  const x = (at: number) =>
    LEFT + ((at - span.from) / (span.to - span.from)) * (width - LEFT - RIGHT);
  const svg = element("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img" });
  svg.setAttribute("aria-label", describeTurn(turn));
  svg.append(...axis(span, x));
  svg.append(label(0, CALLER_Y + 17, "You", "lane"), label(0, BOT_Y + 17, "Bot", "lane"));
  if (cutOff !== undefined) {
    svg.append(...drawAnswer(cutOff, span.from, now, x));
  }
  const { callerFrom, callerTo } = turn;
  if (callerFrom !== undefined) {
    svg.append(bar("caller", x(Math.max(callerFrom, span.from)), x(callerTo ?? now), CALLER_Y));
  } else if (callerTo !== undefined) {
    svg.append(element("circle", { class: "caller", cx: x(callerTo), cy: CALLER_Y + 12, r: 6 }));
  }
  svg.append(...drawAnswer(turn, span.from, now, x), ...steps(turn, x, width));
  return svg;
}

function drawAnswer(
  { botFrom, botTo, interrupted }: Turn,
  from: number,
  now: number,
  x: (at: number) => number,
): SVGElement[] {
  if (botFrom === undefined) {
    return [];
  }
  const drawn: SVGElement[] = [bar("bot", x(Math.max(from, botFrom)), x(botTo ?? now), BOT_Y)];
  if (interrupted !== undefined) {
    const at = x(interrupted);
    const top = BOT_Y - 6;
    drawn.push(line("cut", at, top, at, BOT_Y + LANE_HEIGHT + 6));
    drawn.push(label(at + 8, BOT_Y + 17, "interrupted", "cut"));
  }
  return drawn;
}

/** Returns the turn in words. */
export function describeTurn(turn: Turn): string {
  const said = stepsOf(turn)
    .filter(({ at }) => at !== undefined)
    .map(({ name, at }) => `${name} after ${seconds(at! - turn.callerTo!)}`);
  if (turn.interrupted !== undefined) {
    said.push("interrupted");
  }
  return said.length === 0 ? "Nothing has happened yet." : said.join(", ");
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

function stepsOf({ callerTo, transcript, firstToken, firstAudio, botFrom }: Turn): Step[] {
  if (callerTo === undefined) {
    return [];
  }
  return [
    { at: transcript, name: "understood" },
    { at: firstToken, name: "first word" },
    { at: firstAudio, name: "first audio" },
    { at: botFrom, name: "heard" },
  ];
}

function spanOf(
  turn: Turn,
  cutOff: Turn | undefined,
  now: number,
): { from: number; to: number } {
  const { callerFrom, callerTo, firstToken, firstAudio, botFrom, botTo } = turn;
  const begin = Math.min(...[callerFrom, callerTo, firstToken, firstAudio, botFrom].filter(isKnown));
  const first = Math.min(begin, cutOff?.interrupted ?? begin) - (cutOff === undefined ? 0 : CUT_MS);
  const from = callerTo === undefined ? first : Math.max(first, callerTo - QUESTION_MS);
  const to = botTo ?? now;
  return { from, to: Math.max(to, from + SHORTEST_MS) };
}

function steps(turn: Turn, x: (at: number) => number, width: number): SVGElement[] {
  return stepsOf(turn).flatMap(({ at, name }, i) => {
    if (at === undefined) {
      return [];
    }
    const y = FIRST_LABEL_Y + i * LABEL_STEP;
    const isRight = x(at) > width - LABEL_WIDTH;
    const words = `${name} ${seconds(at - turn.callerTo!)}`;
    return [
      line(`step step${i}`, x(at), CALLER_Y + LANE_HEIGHT / 2, x(at), BOT_Y + LANE_HEIGHT / 2),
      element("circle", { class: `step${i}`, cx: x(at), cy: y - 4, r: 4 }),
      label(x(at) + (isRight ? -9 : 9), y, words, isRight ? "end" : ""),
    ];
  });
}

function axis({ from, to }: { from: number; to: number }, x: (at: number) => number): SVGElement[] {
  const stepMs = to - from > 12_000 ? 5000 : 1000;
  const marks: SVGElement[] = [];
  for (let at = 0; at <= to - from; at += stepMs) {
    marks.push(
      line("grid", x(from + at), 0, x(from + at), HEIGHT - 18),
      label(x(from + at), HEIGHT - 4, `${at / 1000} s`, "middle axis"),
    );
  }
  return marks;
}

function bar(kind: string, from: number, to: number, y: number): SVGElement {
  const width = Math.max(4, to - from);
  return element("rect", { class: kind, x: from, y, width, height: LANE_HEIGHT, rx: 6 });
}

function line(kind: string, x1: number, y1: number, x2: number, y2: number): SVGElement {
  return element("line", { class: kind, x1, y1, x2, y2 });
}

function label(x: number, y: number, words: string, kind: string): SVGElement {
  const text = element("text", { class: kind, x, y });
  text.textContent = words;
  return text;
}

function element<Name extends keyof SVGElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string | number>>,
): SVGElementTagNameMap[Name] {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, typeof value === "number" ? value.toFixed(1) : value);
  }
  return made;
}

function isKnown(at: number | undefined): at is number {
  return at !== undefined;
}
