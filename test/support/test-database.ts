import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import type { NewRecord } from '../../src/journal/journal.ts';
import { JournalDatabase } from '../../src/journal/sqlite/database.ts';
import { Leases } from '../../src/journal/sqlite/leases.ts';
import { lendDue } from '../../src/journal/sqlite/lend.ts';
import type { Time, WriteBatch, WriteResult } from '../../src/journal/sqlite/protocol.ts';
import { openForWriting } from '../../src/journal/sqlite/schema.ts';
import { writeBatch } from '../../src/journal/sqlite/write.ts';
import type { Completion } from '../../src/model/delivery.ts';

/** A folder that goes when the test ends. */
export function temporaryFolder(context: Pick<TestContext, 'after'>): string {
  const folder = mkdtempSync(join(tmpdir(), 'journal-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** What the thread that owns a journal's database does, in this one: a real file, and no thread. */
export class TestDatabase {
  readonly #path: string;
  readonly #recentKeys: number;
  db: DatabaseSync;
  database: JournalDatabase;
  leases = new Leases(0);

  constructor(path: string, recentKeys: number) {
    this.#path = path;
    this.#recentKeys = recentKeys;
    this.db = openForWriting(path, 0);
    this.database = this.#openDatabase();
  }

  /** Whatever was only in memory is gone. */
  crash(): void {
    this.db.close();
    this.db = openForWriting(this.#path, 0);
    this.database = this.#openDatabase();
    this.leases = new Leases(0);
  }

  /** Speed for tests that commit thousands of times and do not ask what a power failure leaves. */
  neverSync(): void {
    this.db.exec('PRAGMA synchronous = OFF');
  }

  append(time: Time, ...records: readonly NewRecord[]): WriteResult {
    return this.write(time, { ...packed(records), completions: [] });
  }

  complete(time: Time, ...completions: readonly Completion[]): WriteResult {
    return this.write(time, { ...packed([]), completions });
  }

  write(time: Time, batch: WriteBatch): WriteResult {
    return writeBatch(this.database, this.leases, batch, time);
  }

  /** Every event that is due is delivered. */
  deliverAll(time: Time): void {
    for (;;) {
      const { claims } = lendDue(this.database, this.leases, { max: 500, time });
      if (claims.length === 0) return;
      this.complete(time, ...claims.map(({ seq, fence }) => ({ seq, fence, decision: { kind: 'complete' as const } })));
    }
  }

  #openDatabase(): JournalDatabase {
    return new JournalDatabase(this.db, { path: this.#path, reserveBytes: 0, recentKeys: this.#recentKeys });
  }
}

export function packed(records: readonly NewRecord[]): Pick<WriteBatch, 'records' | 'raw'> {
  let rawEnd = 0;
  const rows = records.map(({ headers, event, raw, ...rest }) => {
    rawEnd += raw.byteLength;
    return { ...rest, headersJson: JSON.stringify(headers), eventJson: JSON.stringify(event), rawEnd };
  });
  return { records: rows, raw: new Uint8Array(Buffer.concat(records.map(({ raw }) => raw))) };
}
