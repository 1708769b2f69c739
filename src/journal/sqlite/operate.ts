import type { RegistryEvent } from '../../model/registry-event.ts';
import type { JournalStats } from '../journal.ts';
import { checkedOf, checksum, type JournalDatabase, maybeNumber } from './database.ts';

/** Makes a completed record pending again; see `History.redeliver`. */
export function redeliver(
  database: JournalDatabase,
  seq: number,
  event: RegistryEvent | undefined,
  now: number,
): boolean {
  const { sql, counters } = database;
  return database.transaction(() => {
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

export function stats(database: JournalDatabase): JournalStats {
  const { pending, dead, damaged } = database.counters;
  const oldestPendingAt = maybeNumber(database.sql.oldestPending);
  const oldestDeadAt = maybeNumber(database.sql.oldestDead);
  return {
    pending,
    dead,
    damaged,
    bytes: database.bytesInUse(),
    ...(oldestPendingAt === undefined ? {} : { oldestPendingAt }),
    ...(oldestDeadAt === undefined ? {} : { oldestDeadAt }),
  };
}

/** Writes as an append would. Throws when that fails. */
export function check(database: JournalDatabase, now: number): void {
  const obstacle = database.obstacle();
  if (obstacle !== undefined) throw new Error(obstacle.detail);
  database.transaction(() => database.sql.remember.run('checked_at', now));
}
