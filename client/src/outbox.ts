/** What has been sent and has perhaps not arrived. Pure. */
export class Outbox {
  readonly #maxBytes: number;
  #kept: { readonly message: Uint8Array<ArrayBuffer>; readonly isLasting: boolean }[] = [];
  #numBytes = 0;
  #numForgotten = 0;

  /** @param maxBytes What may be kept. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isFull(): boolean {
    return this.#numBytes >= this.#maxBytes;
  }

  /** Of what is kept. */
  get numBytes(): number {
    return this.#numBytes;
  }

  /**
   * Keep a message that is sent, now or later.
   *
   * @param isLasting Whether it is for the bot, and not about the connection.
   */
  add(message: Uint8Array<ArrayBuffer>, isLasting = true): void {
    this.#kept.push({ message, isLasting });
    this.#numBytes += message.length;
  }

  /** Forget what the other end has received: so many in all. */
  acknowledge(numReceived: number): void {
    const arrived = this.#kept.splice(0, Math.max(0, numReceived - this.#numForgotten));
    this.#numForgotten += arrived.length;
    this.#numBytes -= arrived.reduce((sum, { message }) => sum + message.length, 0);
  }

  /** What has to be sent again. */
  get unacknowledged(): readonly Uint8Array<ArrayBuffer>[] {
    return this.#kept.map(({ message }) => message);
  }

  /** What has to be sent to another process that goes on with the conversation. */
  get lasting(): readonly Uint8Array<ArrayBuffer>[] {
    return this.#kept.filter(({ isLasting }) => isLasting).map(({ message }) => message);
  }
}
