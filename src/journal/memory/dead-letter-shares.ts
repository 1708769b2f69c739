import { LIMITS } from '../limits.ts';

interface Share {
  /** The numbers of the dead letters, the oldest first. */
  readonly seqs: Set<number>;
  bytes: number;
}

interface Counted {
  readonly caller: string;
  readonly seq: number;
  readonly bytes: number;
}

/** What the dead letters of each caller take of a journal of `maxBytes`. */
export class DeadLetterShares {
  readonly #shares = new Map<string, Share>();
  #bytes = 0;

  add({ caller, seq, bytes }: Counted): void {
    const share = this.#shares.get(caller) ?? { seqs: new Set(), bytes: 0 };
    this.#shares.set(caller, share);
    share.seqs.add(seq);
    share.bytes += bytes;
    this.#bytes += bytes;
  }

  /** Does nothing for what was not added. */
  drop({ caller, seq, bytes }: Counted): void {
    const share = this.#shares.get(caller);
    if (!share?.seqs.delete(seq)) return;
    share.bytes -= bytes;
    this.#bytes -= bytes;
    if (share.seqs.size === 0) this.#shares.delete(caller);
  }

  /** The oldest dead letter of the caller that has most, if that is too much. The newest of a caller stays. */
  surplus(maxBytes: number): { readonly caller: string; readonly seq: number } | undefined {
    let most: readonly [string, Share] | undefined;
    for (const each of this.#shares) if (most === undefined || each[1].bytes > most[1].bytes) most = each;
    if (most === undefined) return undefined;
    const [caller, { seqs, bytes }] = most;
    const isWithin = bytes <= maxBytes * LIMITS.maxCallerDeadLetters && this.#bytes <= maxBytes * LIMITS.maxDeadLetters;
    const [seq, newer] = seqs;
    return isWithin || seq === undefined || newer === undefined ? undefined : { caller, seq };
  }
}
