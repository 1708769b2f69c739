import type { RegistryEvent } from '../../model/registry-event.ts';
import type { JournalStats } from '../journal.ts';
import { checkedOf, checksum, type Ledger, maybeNumber } from './ledger.ts';

/** Makes a settled record pending again; see `Archive.redeliver`. */
export function redeliver(ledger: Ledger, seq: number, event: RegistryEvent | undefined, now: number): boolean {
  const { sql, counters } = ledger;
  return ledger.transaction(() => {
    const stored = sql.loadEvent.get(seq);
    if (stored === undefined || sql.isFresh.get(seq) || sql.isWaiting.get(seq)) return false;
    const eventJson = event === undefined ? String(stored['event']) : JSON.stringify(event);
    // A damaged record stays damaged: its checksum is renewed only for what we replace.
    const sum = event === undefined ? Number(stored['checksum']) : checksum({ ...checkedOf(stored), eventJson });
    sql.renew.run(eventJson, sum, seq);
    if (sql.unbury.run(seq).changes === 1) counters.dead--;
    sql.wait.run(seq, now, Number(stored['received_at']), 0, 0, now, 0);
    counters.pending++;
    return true;
  });
}

export function stats(ledger: Ledger): JournalStats {
  const { pending, dead, damaged } = ledger.counters;
  const oldestPendingAt = maybeNumber(ledger.sql.oldestPending);
  const oldestDeadAt = maybeNumber(ledger.sql.oldestDead);
  return {
    pending,
    dead,
    damaged,
    bytes: ledger.bytesInUse(),
    ...(oldestPendingAt === undefined ? {} : { oldestPendingAt }),
    ...(oldestDeadAt === undefined ? {} : { oldestDeadAt }),
  };
}

/** Writes as an append would. Throws when that fails. */
export function check(ledger: Ledger, now: number): void {
  const obstacle = ledger.obstacle();
  if (obstacle !== undefined) throw new Error(obstacle.detail);
  ledger.transaction(() => ledger.sql.remember.run('checked_at', now));
}
