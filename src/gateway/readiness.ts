import type { Maintenance } from '../journal/journal.ts';

/** For how long an answer of the journal is reused, milliseconds: anyone who reaches the port can ask. */
const REUSE_MS = 1000;

/** The gateway is ready while its journal can append and it is not shutting down, whether or not the sink is available. */
export class Readiness {
  readonly #maintenance: Maintenance;
  #check: Promise<string | undefined> | undefined;
  #checkedAt = 0;
  #isDraining = false;

  constructor(maintenance: Maintenance) {
    this.#maintenance = maintenance;
  }

  drain(): void {
    this.#isDraining = true;
  }

  /** Resolves to why the gateway is not ready; undefined when it is. */
  async unreadiness(): Promise<string | undefined> {
    if (this.#isDraining) return 'shutting down';
    const now = performance.now();
    if (this.#check === undefined || now - this.#checkedAt > REUSE_MS) {
      this.#checkedAt = now;
      this.#check = this.#maintenance.check().then(
        () => undefined,
        () => 'the journal cannot append',
      );
    }
    return this.#check;
  }
}
