import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { JournalDatabase } from './database.ts';
import { classify } from './failure.ts';
import { History } from './history.ts';
import { Leases } from './leases.ts';
import { lendDue, wakeWaiting } from './lend.ts';
import { check, redeliver, stats } from './operate.ts';
import type { ReadRequest, Reply, Request, ThreadData, WriteBatch, WriteResult } from './protocol.ts';
import { Pruner } from './prune.ts';
import { openForReading, openForWriting, takeOwnership } from './schema.ts';
import { writeBatch } from './write.ts';

// The thread that owns the database, or the one that reads its history: SQLite is synchronous, and a commit waits for
// the disk, which the thread that answers webhooks must not.

function startWriter(data: ThreadData): (request: Request) => Reply {
  const owner = takeOwnership(data.path);
  const db = openForWriting(data.path, data.reserveBytes);
  const database = new JournalDatabase(db, data);
  // A thousand claims a millisecond are more than anybody makes: no fence of an earlier owner comes again.
  const leases = new Leases(Date.now() * 1000);
  const pruner = new Pruner(database, data.maxBytes);

  function answer(request: Request): Reply {
    switch (request.kind) {
      case 'write':
        return write(database, leases, request);
      case 'claim':
        return { kind: 'claimed', lent: lendDue(database, leases, request) };
      case 'renew':
        for (const key of request.leases) leases.renew(key, request.time.tick);
        return { kind: 'done', ok: true };
      case 'wake':
        wakeWaiting(database, request.spreadMs, request.time.now);
        return { kind: 'done', ok: true };
      case 'redeliver':
        return { kind: 'done', ok: redeliver(database, request.seq, request.event, request.time.now) };
      case 'stats':
        return { kind: 'stats', stats: stats(database) };
      case 'check':
        check(database, request.time.now);
        return { kind: 'done', ok: true };
      case 'prune':
        return { kind: 'pruned', pruned: pruner.step(request.time.now) };
      case 'close':
        db.close();
        owner.close();
        return { kind: 'done', ok: true };
    }
  }
  return answer;
}

function write(database: JournalDatabase, leases: Leases, request: Extract<Request, { kind: 'write' }>): Reply {
  const { batch, lend, time } = request;
  const result = writeBatch(database, leases, batch, time);
  if (lend === 0) return { kind: 'written', result };
  try {
    return {
      kind: 'written',
      result,
      lent: lendDue(database, leases, { max: lend, time, own: sizesBySeq(batch, result) }),
    };
  } catch {
    // What was written stays so. Whoever waits asks for himself, and hears of it then.
    return { kind: 'written', result };
  }
}

function sizesBySeq({ records }: WriteBatch, { appended = [] }: WriteResult): ReadonlyMap<number, number> {
  const sizes = new Map<number, number>();
  let start = 0;
  for (const [index, { rawEnd }] of records.entries()) {
    const result = appended[index];
    if (result?.kind === 'kept') sizes.set(result.seq, rawEnd - start);
    start = rawEnd;
  }
  return sizes;
}

function startReader(data: ThreadData): (request: ReadRequest) => Reply {
  const history = new History(openForReading(data.path));
  return (request) => {
    if (request.kind === 'find') return { kind: 'found', records: history.find(request.query) };
    const record = history.get(request.seq);
    return record === undefined ? { kind: 'got' } : { kind: 'got', record };
  };
}

function serve<Q>(port: MessagePort, answer: (request: Q) => Reply): void {
  port.on('message', (request: Q) => port.postMessage(attempt(() => answer(request))));
  port.postMessage({ kind: 'ready' } satisfies Reply);
}

function attempt(answer: () => Reply): Reply {
  try {
    return answer();
  } catch (error) {
    return { kind: 'failed', failure: classify(error) };
  }
}

if (parentPort !== null) {
  const port = parentPort;
  const data: ThreadData = workerData;
  try {
    if (data.role === 'writer') serve(port, startWriter(data));
    else serve(port, startReader(data));
  } catch (error) {
    port.postMessage({ kind: 'failed', failure: classify(error) } satisfies Reply);
  }
}
