import type { Maintenance } from '../journal/journal.ts';

/** For how long an answer of the journal whether it can append holds, milliseconds: the probe is open to everybody. */
const READINESS_MS = 1000;

/** Ready is who can append and is not about to end; whether Brigade is there does not matter. */
export class Readiness {
  readonly #maintenance: Maintenance;
  #look: Promise<string | undefined> | undefined;
  #lookedAt = 0;
  #isDraining = false;

  constructor(maintenance: Maintenance) {
    this.#maintenance = maintenance;
  }

  drain(): void {
    this.#isDraining = true;
  }

  /** Undefined when ready, else why not. */
  async look(): Promise<string | undefined> {
    if (this.#isDraining) return 'shutting down';
    const now = Date.now();
    if (this.#look === undefined || now - this.#lookedAt > READINESS_MS) {
      this.#lookedAt = now;
      this.#look = this.#maintenance.check().then(
        () => undefined,
        () => 'the journal cannot append',
      );
    }
    return this.#look;
  }
}
