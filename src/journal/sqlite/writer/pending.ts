import type { JournalDatabase } from './database.ts';

/** What a pending event takes of whose share. */
export interface PendingShare {
  readonly caller: string;
  readonly bytes: number;
}

/** Counts an event that was put into one of the queues. */
export function addPending({ counters, pending }: JournalDatabase, { caller, bytes }: PendingShare): void {
  counters.pending++;
  pending.change(caller, bytes);
}

/** Takes an event out of its queue. */
export function removePending(
  { sql, counters, pending }: JournalDatabase,
  { seq, isFresh }: { readonly seq: number; readonly isFresh: boolean },
): PendingShare {
  const row = (isFresh ? sql.dropFresh : sql.dropWaiting).get(seq);
  const share = { caller: String(row?.['caller']), bytes: Number(row?.['bytes']) };
  counters.pending--;
  pending.change(share.caller, -share.bytes);
  return share;
}
