/** What happened when, turn by turn. Pure: times are milliseconds of any one clock. */

/** One question and its answer; what has not happened is undefined. */
export interface Turn {
  /** The caller begins to speak. */
  callerFrom?: number;
  /** The server has noticed that they are silent; or they have sent what they wrote. */
  callerTo?: number;
  /** They have been understood. */
  transcript?: number;
  /** The language model's first word. */
  firstToken?: number;
  /** The first audio has arrived. */
  firstAudio?: number;
  /** The bot is heard. */
  botFrom?: number;
  /** It is heard no more. */
  botTo?: number;
  /** It was cut off. */
  interrupted?: number;
}

const MAX_TURNS = 20;

export class Turns {
  readonly past: Turn[] = [];
  current: Turn | undefined;

  callerSpeaks(now: number): void {
    if (this.current !== undefined && !hasAnswer(this.current)) {
      // They go on before there was an answer: one question.
      this.current = { callerFrom: this.current.callerFrom ?? now };
    } else {
      this.#begin({ callerFrom: now });
    }
  }

  callerStops(now: number): void {
    if (this.current?.callerFrom !== undefined) {
      this.current.callerTo = now;
    }
  }

  callerWrote(now: number): void {
    this.#begin({ callerTo: now });
  }

  transcript(now: number): void {
    if (this.current !== undefined) {
      this.current.transcript = now;
    }
  }

  token(now: number): void {
    this.#answering().firstToken ??= now;
  }

  audio(now: number): void {
    this.#answering().firstAudio ??= now;
  }

  botSpeaks(now: number): void {
    const turn = this.#answering();
    turn.botFrom ??= now;
    delete turn.botTo;
  }

  botStops(now: number): void {
    const turn = [this.current, ...this.past].find((each) => each?.botFrom !== undefined);
    if (turn !== undefined && turn.interrupted === undefined) {
      turn.botTo = now;
    }
  }

  interrupted(now: number): void {
    const turn = [this.current, ...this.past].find((each) => each?.botFrom !== undefined);
    if (turn !== undefined && turn.botTo === undefined) {
      turn.interrupted = turn.botTo = now;
    }
  }

  /** The conversation is over. */
  end(now: number): void {
    this.botStops(this.current?.botTo ?? now);
    this.callerStops(this.current?.callerTo ?? now);
  }

  #answering(): Turn {
    // A greeting answers nobody.
    return this.current ?? this.#begin({});
  }

  #begin(turn: Turn): Turn {
    if (this.current !== undefined) {
      this.past.unshift(this.current);
      this.past.length = Math.min(this.past.length, MAX_TURNS);
    }
    this.current = turn;
    return turn;
  }
}

function hasAnswer(turn: Turn): boolean {
  return turn.firstAudio !== undefined || turn.botFrom !== undefined;
}
