import type { Act, RedeliveryJob, TurnedAwayBatch } from '../../journal.ts';
import { LIMITS } from '../../limits.ts';
import type { JournalDatabase } from './database.ts';

export function pauseState({ sql }: JournalDatabase): Act | undefined {
  const row = sql.pauseState.get();
  return row && { at: Number(row['at']), by: String(row['paused_by']) };
}

export function redeliveries({ sql }: JournalDatabase): readonly RedeliveryJob[] {
  return sql.jobs.all().map(({ job }) => JSON.parse(String(job)));
}

export function putRedelivery(database: JournalDatabase, job: RedeliveryJob): void {
  database.transaction(() => {
    database.sql.putJob.run(job.id, JSON.stringify(job));
    database.sql.dropJobs.run(LIMITS.maxRedeliveryJobs);
  });
}

export function noteTurnedAway(database: JournalDatabase, { counts, samples }: TurnedAwayBatch, now: number): void {
  const { sql } = database;
  database.unsyncedTransaction(() => {
    for (const { minute, caller = '', reason, count } of counts) sql.countTurnedAway.run(minute, caller, reason, count);
    for (const sample of samples) sql.insertSample.run(JSON.stringify(sample));
    sql.dropTurnedAwayCounts.run(now - LIMITS.turnedAwayMs, LIMITS.maxTurnedAwayCounts);
    sql.dropSamples.run(LIMITS.maxTurnedAwaySamples);
  });
}
