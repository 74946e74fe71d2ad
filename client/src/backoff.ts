/** How long to wait before the next attempt. Pure. */

const FIRST_SECS = 0.5;
const LONGEST_SECS = 10;

/**
 * Returns the seconds before attempt number `attempt`, from 1: 0.5, 1, 2, 4, 8, 10, 10, ..., each
 * up to a quarter less, so that the clients of a server that restarts do not come all at once.
 *
 * @param random 0..1.
 */
export function retryDelaySecs(attempt: number, random: number): number {
  const secs = Math.min(LONGEST_SECS, FIRST_SECS * 2 ** (attempt - 1));
  return secs * (1 - random / 4);
}
