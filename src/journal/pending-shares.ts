import { LIMITS } from './limits.ts';

/** What the pending events of each caller take, and whether a caller may add to it. */
export class PendingShares {
  readonly #bytes = new Map<string, number>();
  #total = 0;
  /** What changed since the last `committed`. */
  #changes: { readonly caller: string; readonly bytes: number }[] = [];

  /** `bytes` is negative for an event that is not pending any more. */
  change(caller: string, bytes: number): void {
    this.#apply(caller, bytes);
    this.#changes.push({ caller, bytes });
  }

  committed(): void {
    this.#changes = [];
  }

  rolledBack(): void {
    for (const { caller, bytes } of this.#changes) this.#apply(caller, -bytes);
    this.#changes = [];
  }

  /** Whether the caller may keep one more event pending in a journal of that size. */
  admit(caller: string, journalBytes: number): boolean {
    if (this.#total <= journalBytes * LIMITS.maxPending) return true;
    return (this.#bytes.get(caller) ?? 0) <= journalBytes * LIMITS.maxCallerPending;
  }

  #apply(caller: string, bytes: number): void {
    const left = (this.#bytes.get(caller) ?? 0) + bytes;
    if (left > 0) this.#bytes.set(caller, left);
    else this.#bytes.delete(caller);
    this.#total += bytes;
  }
}
