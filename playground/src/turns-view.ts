import { page } from "./page.ts";
import { drawTurn, seconds } from "./timeline.ts";
import type { Turn, Turns } from "./turns.ts";

const MAX_ROWS = 5;

/** Show the turn in hand, and the ones before it as a table. */
export function showTurns(turns: Turns, now: number): void {
  if (turns.current !== undefined) {
    page.timeline.replaceChildren(drawTurn(turns.current, turns.past[0], now, page.timeline.clientWidth));
  }
  const [body] = page.history.tBodies;
  body!.replaceChildren(...turns.past.slice(0, MAX_ROWS).map(row));
  page.history.hidden = turns.past.length === 0;
}

function row(turn: Turn): HTMLTableRowElement {
  const made = document.createElement("tr");
  for (const words of [
    turn.callerFrom !== undefined && turn.callerTo !== undefined
      ? `${seconds(turn.callerTo - turn.callerFrom)} long`
      : turn.callerTo !== undefined
        ? "in writing"
        : "greeting",
    since(turn, turn.transcript),
    since(turn, turn.firstToken),
    since(turn, turn.botFrom),
    turn.interrupted !== undefined ? "interrupted" : "",
  ]) {
    made.insertCell().textContent = words;
  }
  return made;
}

function since({ callerTo }: Turn, at: number | undefined): string {
  return at === undefined || callerTo === undefined ? "–" : seconds(at - callerTo);
}
