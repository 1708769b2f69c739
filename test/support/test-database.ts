import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import type { NewRecord } from '../../src/journal/journal.ts';
import { pack, type WriteBatch, type WriteResult } from '../../src/journal/sqlite/protocol.ts';
import { claimDue, Leases } from '../../src/journal/sqlite/writer/claim.ts';
import { JournalDatabase } from '../../src/journal/sqlite/writer/database.ts';
import { openForWriting } from '../../src/journal/sqlite/writer/schema.ts';
import { writeBatch } from '../../src/journal/sqlite/writer/write.ts';
import type { Time } from '../../src/model/clock.ts';
import type { Completion } from '../../src/model/delivery.ts';

/** Where a folder of a test goes that asks nothing of a disk: into memory, where the system has a place for that. */
export const IN_MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** A folder that is removed when the test ends. */
export function temporaryFolder(context: Pick<TestContext, 'after'>, parent = tmpdir()): string {
  const folder = mkdtempSync(join(parent, 'journal-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

interface TestDatabaseOptions {
  /** Keys that are kept in memory before any goes to disk. */
  readonly recentKeys?: number;
  readonly maxBytes?: number;
}

/**
 * What the thread that owns a journal's database does, without the thread, on a real file. It never syncs: these tests do
 * not ask what a power failure leaves.
 */
export class TestDatabase {
  readonly #path: string;
  readonly #recentKeys: number | undefined;
  readonly #maxBytes: number;
  db: DatabaseSync;
  database: JournalDatabase;
  leases: Leases;

  constructor(path: string, { recentKeys, maxBytes = Number.MAX_SAFE_INTEGER }: TestDatabaseOptions = {}) {
    this.#path = path;
    this.#recentKeys = recentKeys;
    this.#maxBytes = maxBytes;
    ({ db: this.db, database: this.database, leases: this.leases } = this.#open());
  }

  /** What was only in memory is gone. */
  crash(): void {
    this.db.close();
    ({ db: this.db, database: this.database, leases: this.leases } = this.#open());
  }

  append(time: Time, ...records: readonly NewRecord[]): WriteResult {
    return this.write(time, { ...pack(records), completions: [] });
  }

  complete(time: Time, ...completions: readonly Completion[]): WriteResult {
    return this.write(time, { ...pack([]), completions });
  }

  write(time: Time, batch: WriteBatch): WriteResult {
    return writeBatch(this.database, this.leases, batch, time);
  }

  /** Completes every event that is due as delivered. */
  deliverAll(time: Time): void {
    for (;;) {
      const { claims } = claimDue(this.database, this.leases, { max: 500, time });
      if (claims.length === 0) return;
      this.complete(time, ...claims.map(({ seq, fence }) => ({ seq, fence, decision: { kind: 'complete' as const } })));
    }
  }

  #open() {
    const db = openForWriting(this.#path, 0);
    db.exec('PRAGMA synchronous = OFF');
    const recent = this.#recentKeys === undefined ? {} : { recentKeys: this.#recentKeys };
    const database = new JournalDatabase(db, {
      path: this.#path,
      reserveBytes: 0,
      maxBytes: this.#maxBytes,
      ...recent,
    });
    return { db, database, leases: new Leases(0) };
  }
}
