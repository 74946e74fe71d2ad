/** Who said what, and how much of it was heard. Pure. */

/** A piece of a line: what was heard, what is still to come, and what was cut off. */
export interface Part {
  readonly text: string;
  readonly state: "heard" | "coming" | "cut";
}

export interface Line {
  readonly who: "caller" | "bot";
  readonly parts: readonly Part[];
}

interface Sentence {
  readonly id: number;
  readonly text: string;
  readonly isSpoken: boolean;
  /** How much of the stream had come when it was announced: its audio begins no earlier. */
  readonly announcedAtMs: number;
  /** Where its audio ends; undefined until all of it has come. */
  endsAtMs: number | undefined;
  /** How many characters were heard when it was cut off; undefined if it was not. */
  cutAt: number | undefined;
}

interface Span {
  readonly from: number;
  readonly to: number;
}

interface CallerLine {
  readonly who: "caller";
  text: string;
  interim: string;
}

interface BotLine {
  readonly who: "bot";
  sentences: Sentence[];
}

/** A guess until the first sentence has come whole: some 15 characters a second. */
const FIRST_MS_PER_CHARACTER = 65;

/** Nobody misses so little of a word. */
const NEARLY_MS = 20;

const MAX_LINES = 200;

export class Captions {
  #lines: (CallerLine | BotLine)[] = [];
  #playedMs = 0;
  #msPerCharacter = FIRST_MS_PER_CHARACTER;

  get lines(): Line[] {
    const spans = this.#spans();
    return this.#lines.map((line) =>
      line.who === "caller"
        ? { who: "caller", parts: callerParts(line) }
        : { who: "bot", parts: merge(line.sentences.flatMap((s) => this.#parts(s, spans))) },
    );
  }

  /** The caller has been understood; what is not final may still change. */
  transcript(text: string, isFinal: boolean): void {
    const line = this.#last("caller");
    line.interim = isFinal ? "" : text;
    if (isFinal) {
      line.text = `${line.text} ${text}`.trim();
    }
  }

  /** The caller has written. */
  wrote(text: string): void {
    this.#add({ who: "caller", text, interim: "" });
  }

  /** The bot is going to say a sentence; so much of the stream has come. */
  sentenceBegins(id: number, text: string, atMs: number): void {
    this.#addSentence(id, text, true, atMs);
  }

  /** All audio of a sentence has come: it ends here in the stream. */
  sentenceEnds(id: number, atMs: number): void {
    const sentence = this.#spoken().find((each) => each.id === id);
    if (sentence !== undefined) {
      sentence.endsAtMs = atMs;
      const { from, to } = this.#spans().get(sentence)!;
      if (to > from && sentence.text.length > 0) {
        this.#msPerCharacter = (to - from) / sentence.text.length;
      }
    }
  }

  /** The bot writes what it will not say. */
  written(id: number, text: string): void {
    this.#addSentence(id, text, false, 0);
  }

  /** So much of the stream has been heard. */
  played(playedMs: number): void {
    this.#playedMs = playedMs;
  }

  /** The conversation is over: what has not been heard will not be. */
  end(): void {
    this.interrupted(this.#playedMs);
  }

  /** The bot was cut off; what comes next is a new stream. */
  interrupted(playedMs: number): void {
    this.#playedMs = playedMs;
    const spans = this.#spans();
    for (const sentence of this.#spoken()) {
      sentence.cutAt = this.#heardCharacters(sentence, spans);
    }
    this.#playedMs = 0;
  }

  /** The server remembers what has been heard of these sentences. */
  cut(sentences: readonly { readonly id: number; readonly heard: string }[]): void {
    const all = this.#lines.flatMap((line) => (line.who === "bot" ? line.sentences : []));
    for (const { id, heard } of sentences) {
      const sentence = all.find((each) => each.id === id);
      if (sentence !== undefined) {
        sentence.cutAt = heard.length;
      }
    }
  }

  /** The sentences of the present stream. */
  #spoken(): Sentence[] {
    return this.#lines
      .flatMap((line) => (line.who === "bot" ? line.sentences : []))
      .filter(({ isSpoken, cutAt }) => isSpoken && cutAt === undefined);
  }

  /** Where in the stream each of them is said, one after the other. */
  #spans(): Map<Sentence, Span> {
    const spans = new Map<Sentence, Span>();
    let before = 0;
    for (const sentence of this.#spoken()) {
      const { announcedAtMs, endsAtMs, text } = sentence;
      const from = Math.max(announcedAtMs, before);
      const to = Math.max(from, endsAtMs ?? from + text.length * this.#msPerCharacter);
      spans.set(sentence, { from, to });
      before = to;
    }
    return spans;
  }

  #parts(sentence: Sentence, spans: Map<Sentence, Span>): Part[] {
    const { text, cutAt } = sentence;
    const heard = cutAt ?? this.#heardCharacters(sentence, spans);
    const rest = heard === text.length ? "heard" : cutAt === undefined ? "coming" : "cut";
    return [
      { text: text.slice(0, heard), state: "heard" },
      { text: `${text.slice(heard)} `, state: rest },
    ];
  }

  #heardCharacters(sentence: Sentence, spans: Map<Sentence, Span>): number {
    const { text, endsAtMs } = sentence;
    const span = spans.get(sentence);
    if (span === undefined) {
      return text.length;
    }
    const { from, to } = span;
    if (endsAtMs !== undefined && this.#playedMs >= to - NEARLY_MS) {
      return text.length;
    }
    const part = Math.max(0, Math.min(1, (this.#playedMs - from) / (to - from)));
    const characters = Math.floor(part * text.length);
    // To the end of the last whole word.
    return characters === 0 ? 0 : text.lastIndexOf(" ", characters) + 1;
  }

  #addSentence(id: number, text: string, isSpoken: boolean, announcedAtMs: number): void {
    this.#last("bot").sentences.push({
      id,
      text,
      isSpoken,
      announcedAtMs,
      endsAtMs: undefined,
      cutAt: undefined,
    });
  }

  #last(who: "caller"): CallerLine;
  #last(who: "bot"): BotLine;
  #last(who: "caller" | "bot"): CallerLine | BotLine {
    const last = this.#lines.at(-1);
    const isCut = last?.who === "bot" && last.sentences.at(-1)?.cutAt !== undefined;
    if (last?.who === who && !isCut) {
      return last;
    }
    return this.#add(
      who === "caller" ? { who, text: "", interim: "" } : { who, sentences: [] },
    );
  }

  #add<Kind extends CallerLine | BotLine>(line: Kind): Kind {
    this.#lines.push(line);
    if (this.#lines.length > MAX_LINES) {
      this.#lines.shift();
    }
    return line;
  }
}

function callerParts({ text, interim }: CallerLine): Part[] {
  return merge([
    { text, state: "heard" },
    { text: interim === "" ? "" : ` ${interim}`, state: "coming" },
  ]);
}

/** Join neighbours of one kind. */
function merge(parts: readonly Part[]): Part[] {
  const merged: Part[] = [];
  for (const part of parts) {
    const last = merged.at(-1);
    if (part.text === "") {
      continue;
    }
    if (last?.state === part.state) {
      merged[merged.length - 1] = { text: last.text + part.text, state: last.state };
    } else {
      merged.push(part);
    }
  }
  return merged;
}
