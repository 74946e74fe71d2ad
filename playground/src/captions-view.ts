import type { Captions, Line } from "./captions.ts";
import { page } from "./page.ts";

const NAMES = { caller: "You", bot: "Bot" } as const;

/** Bring the list up to date; lines that have not changed are left alone. */
export function showCaptions(captions: Captions): void {
  const { lines } = captions;
  const list = page.captions;
  const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  while (list.children.length > lines.length) {
    list.firstElementChild!.remove();
  }
  lines.forEach((line, i) => {
    const item = list.children[i] ?? list.appendChild(document.createElement("li"));
    const content = JSON.stringify(line);
    if (contents.get(item) !== content) {
      contents.set(item, content);
      show(item, line);
    }
  });
  if (isAtEnd) {
    list.scrollTop = list.scrollHeight;
  }
}

/** What each item shows. */
const contents = new WeakMap<Element, string>();

function show(item: Element, { who, parts }: Line): void {
  item.className = who;
  const name = document.createElement("b");
  name.textContent = NAMES[who];
  item.replaceChildren(
    name,
    ...parts.map(({ text, state }) => {
      const part = document.createElement(state === "cut" ? "s" : "span");
      part.className = state;
      part.textContent = text;
      return part;
    }),
  );
}
