import type { Maintenance } from '../journal/journal.ts';
import { LIMITS } from '../journal/limits.ts';
import type { Clock } from '../model/clock.ts';

/** For how long an answer of the journal is reused, milliseconds: anyone who reaches the port can ask. */
const REUSE_MS = 1000;

/**
 * The check is written and synced like an append, behind the commit that is under way. When it takes this long, milliseconds, most
 * appends take the 4 s after which they are answered 503.
 */
const SLOW_MS = LIMITS.appendMs / 2;

/**
 * The gateway is ready while its journal can append in time and it is not shutting down, whether or not the sink is available.
 * Rejected webhooks do not count: a caller could send such as are rejected, and make the gateway unready for the others.
 */
export class Readiness {
  readonly #journal: Pick<Maintenance, 'check'>;
  readonly #clock: Clock;
  #check: Promise<string | undefined> | undefined;
  /** Infinite while a check is under way: another would only make a slow disk slower. */
  #reusedUntil = 0;
  #isDraining = false;

  constructor(journal: Pick<Maintenance, 'check'>, clock: Clock) {
    this.#journal = journal;
    this.#clock = clock;
  }

  drain(): void {
    this.#isDraining = true;
  }

  /** Resolves to why the gateway is not ready; undefined when it is. */
  async unreadiness(): Promise<string | undefined> {
    if (this.#isDraining) return 'shutting down';
    if (this.#check === undefined || this.#clock.tick() > this.#reusedUntil) this.#check = this.#start();
    return this.#check;
  }

  #start(): Promise<string | undefined> {
    this.#reusedUntil = Number.POSITIVE_INFINITY;
    return new Promise((resolve) => {
      const cancel = this.#clock.after(SLOW_MS, () => resolve('the journal is slow'));
      const end = (unreadiness: string | undefined) => {
        cancel();
        this.#reusedUntil = this.#clock.tick() + REUSE_MS;
        resolve(unreadiness);
      };
      this.#journal.check().then(
        () => end(undefined),
        () => end('the journal cannot append'),
      );
    });
  }
}
