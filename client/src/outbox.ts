/** What has been sent and has perhaps not arrived. Pure. */
export class Outbox {
  readonly #maxBytes: number;
  #kept: Uint8Array<ArrayBuffer>[] = [];
  #numBytes = 0;
  #numForgotten = 0;

  /** @param maxBytes What may be kept. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isFull(): boolean {
    return this.#numBytes >= this.#maxBytes;
  }

  /** Keep a message that is sent, now or later. */
  add(message: Uint8Array<ArrayBuffer>): void {
    this.#kept.push(message);
    this.#numBytes += message.length;
  }

  /** Forget what the other end has received: so many in all. */
  acknowledge(numReceived: number): void {
    const arrived = this.#kept.splice(0, Math.max(0, numReceived - this.#numForgotten));
    this.#numForgotten += arrived.length;
    this.#numBytes -= arrived.reduce((sum, { length }) => sum + length, 0);
  }

  /** What has to be sent again. */
  get unacknowledged(): readonly Uint8Array<ArrayBuffer>[] {
    return this.#kept;
  }
}
