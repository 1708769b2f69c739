import assert from 'node:assert/strict';
import { closeSync, cpSync, openSync, readSync, statSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { classify, openFault } from '../../src/journal/sqlite/protocol.ts';
import { SqliteJournal } from '../../src/journal/sqlite/sqlite.ts';
import { Writer } from '../../src/journal/sqlite/writer/writer.ts';
import { systemClock } from '../../src/model/clock.ts';
import { claimDue, keep, seqs } from './journal-steps.ts';
import { aDeadLetter, anAttempt, aRecord, DELIVERED, UNAVAILABLE } from './records.ts';

/** Where a journal is as kill -9 leaves it, with a log, and as closing it leaves it, without. And what it must not lose. */
export interface FilledJournal {
  readonly killed: string;
  readonly closed: string;
  readonly pending: readonly number[];
  readonly deadLettered: readonly number[];
}

/** What is done to a file of a journal: a bit is flipped at the offset, or the file ends there. */
export interface Damage {
  readonly state: 'killed' | 'closed';
  readonly file: string;
  readonly kind: 'flip' | 'cut';
  readonly offset: number;
}

const MAX_BYTES = 16 * 1024 * 1024;

const FILES = {
  killed: ['journal.db', 'journal.db-wal', 'journal.db-shm', 'journal.db.mark'],
  closed: ['journal.db', 'journal.db.mark'],
};

/** Of its events, some are fresh, some wait, some are delivered or dead letters. */
export async function fillJournal(folder: string): Promise<FilledJournal> {
  const [killed, closed] = [join(folder, 'killed'), join(folder, 'closed')];
  const journal = await SqliteJournal.open({
    path: join(closed, 'journal.db'),
    reserveBytes: 0,
    maxBytes: MAX_BYTES,
    allowNetworkFileSystem: false,
    clock: systemClock,
    onFault: assert.fail,
  });
  const pending = new Set<number>();
  const deadLettered: number[] = [];
  for (let round = 0; round < 40; round++) {
    const now = Date.now();
    const records = [0, 1, 2].map((index) => aRecord(`${round} ${index}`, now));
    for (const seq of await keep(journal, ...records)) pending.add(seq);
    deadLettered.push(...(await keep(journal, aDeadLetter(`dead ${round}`, now))));
    // The last ones stay fresh.
    if (round > 30) continue;
    const [delivered, waits] = await claimDue(journal, 2);
    if (delivered === undefined || waits === undefined) return assert.fail('two events are due');
    const attempt = anAttempt(now, DELIVERED);
    await journal.complete({ ...delivered, attempt, decision: { kind: 'complete' } });
    pending.delete(delivered.seq);
    const decision = { kind: 'retry', at: now, history: waits.history } as const;
    await journal.complete({ ...waits, attempt: anAttempt(now, UNAVAILABLE), decision });
  }
  cpSync(closed, killed, { recursive: true });
  await journal.close();
  return { killed, closed, pending: [...pending], deadLettered };
}

export function randomDamage(filled: FilledJournal, random: () => number): Damage {
  const state = random() < 0.5 ? 'killed' : 'closed';
  const files = FILES[state];
  const file = files[Math.floor(random() * files.length)] ?? '';
  const kind = random() < 0.75 ? 'flip' : 'cut';
  return { state, file, kind, offset: Math.floor(random() * statSync(join(filled[state], file)).size) };
}

/**
 * Opens a damaged copy of the journal as its threads do, and claims what it has. Returns what ends the process, or undefined
 * when each event is claimed or a dead letter. Throws when one is missing silently.
 */
export function openDamaged(filled: FilledJournal, folder: string, damage: Damage): string | undefined {
  const path = join(folder, 'journal.db');
  cpSync(filled[damage.state], folder, { recursive: true });
  inflict(join(folder, damage.file), damage);
  let writer: Writer;
  try {
    writer = new Writer({ path, reserveBytes: 0, maxBytes: MAX_BYTES });
  } catch (error) {
    return openFault(path, classify(error)).message;
  }
  try {
    const found = new Set([...claimAll(writer), ...deadLetters(path)]);
    const missing = [...filled.pending, ...filled.deadLettered].filter((seq) => !found.has(seq));
    assert.deepEqual(missing, [], 'events are missing silently');
    return undefined;
  } catch (error) {
    const failure = classify(error);
    if (failure.kind !== 'unreadable') throw error;
    return failure.detail;
  } finally {
    writer.close();
  }
}

function claimAll(writer: Writer): readonly number[] {
  const claimed: number[] = [];
  for (;;) {
    const now = Date.now();
    const { claims, nextDueAt } = writer.claim(1_000, { now, tick: now });
    claimed.push(...seqs(claims));
    if (nextDueAt > now) return claimed;
  }
}

function deadLetters(path: string): readonly number[] {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    const rows = db.prepare('SELECT e.seq FROM dead_letter d JOIN event e ON e.seq = d.seq').all();
    return rows.map(({ seq }) => Number(seq));
  } finally {
    db.close();
  }
}

function inflict(path: string, { kind, offset }: Damage): void {
  if (kind === 'cut') {
    truncateSync(path, offset);
    return;
  }
  const file = openSync(path, 'r+');
  const byte = new Uint8Array(1);
  readSync(file, byte, 0, 1, offset);
  byte[0] = (byte[0] ?? 0) ^ (1 << (offset % 8));
  writeSync(file, byte, 0, 1, offset);
  closeSync(file);
}
