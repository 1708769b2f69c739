import { JournalFault } from '../journal-fault.ts';
import type { WriteResult } from './protocol.ts';

/** How long the disk may refuse to write, for other reasons than being full, before the journal gives itself up. */
const UNWRITABLE_MS = 60_000;

/** A disk that is full heals by forgetting; one that fails otherwise for long is better left to a restart. */
export class DiskWatch {
  readonly #onFault: (fault: JournalFault) => void;
  #unwritableSince: number | undefined;

  constructor(onFault: (fault: JournalFault) => void) {
    this.#onFault = onFault;
  }

  /** To be told of every commit. */
  look({ refusal }: WriteResult): void {
    const now = performance.now();
    if (refusal?.kind !== 'unwritable' && refusal?.kind !== 'locked') {
      this.#unwritableSince = undefined;
      return;
    }
    this.#unwritableSince ??= now;
    if (now - this.#unwritableSince < UNWRITABLE_MS) return;
    this.#onFault(new JournalFault('journal_failed', `the journal cannot be written: ${refusal.detail}`));
  }
}
