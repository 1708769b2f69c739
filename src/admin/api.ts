import { setTimeout as sleep } from 'node:timers/promises';
import { type Context, Hono } from 'hono';
import type { History, JournalRecord, RecordSummary } from '../journal/journal.ts';
import type { Redeliver, Redelivery } from '../receive/redeliver.ts';

const LIST = { default: 50, max: 500 };

/** Events that one request may redeliver, and the pause between two of them: an operator's slip starts no stampede. */
const BULK = { max: 100, pauseMs: 20 };

export interface ApiOptions {
  readonly history: History;
  readonly redeliver: Redeliver;
}

/** JSON for operators and the command line: times are RFC 3339, payloads text. */
export function adminApi({ history, redeliver }: ApiOptions): Hono {
  const api = new Hono();
  api.get('/dead-letters', async (c) => {
    const limit = wholeNumber(c.req.query('limit') ?? String(LIST.default), LIST.max);
    const before = c.req.query('before');
    const below = before === undefined ? undefined : wholeNumber(before, Number.MAX_SAFE_INTEGER);
    if (limit === undefined) return badRequest(c, `limit: expected a number from 1 to ${LIST.max}`);
    if (before !== undefined && below === undefined) return badRequest(c, 'before: expected a sequence number');
    const query = { state: 'dead-lettered', limit, ...(below === undefined ? {} : { before: below }) } as const;
    return c.json({ deadLetters: (await history.find(query)).map(summary) });
  });
  api.get('/events/:seq', async (c) => {
    const seq = wholeNumber(c.req.param('seq'), Number.MAX_SAFE_INTEGER);
    const record = seq === undefined ? undefined : await history.get(seq);
    return record === undefined ? c.json({ error: 'no such event' }, 404) : c.json(whole(record));
  });
  api.post('/redeliveries', async (c) => {
    const seqs = sequenceNumbers(await c.req.json().catch(() => undefined));
    if (seqs === undefined) return badRequest(c, `expected {"seqs": […]} with 1 to ${BULK.max} sequence numbers`);
    return c.json({ redeliveries: await redeliverAll(seqs, redeliver) });
  });
  return api;
}

async function redeliverAll(
  seqs: readonly number[],
  redeliver: Redeliver,
): Promise<readonly (Redelivery & { readonly seq: number })[]> {
  const results: (Redelivery & { readonly seq: number })[] = [];
  for (const seq of seqs) {
    if (results.length > 0) await sleep(BULK.pauseMs);
    results.push({ seq, ...(await redeliver(seq)) });
  }
  return results;
}

function summary({ seq, state, receivedAt, caller, event, deadLetter }: RecordSummary): object {
  const told = deadLetter === undefined ? {} : { deadLetter: { ...deadLetter, at: iso(deadLetter.at) } };
  return { seq, state, receivedAt: iso(receivedAt), caller, event, ...told };
}

function whole(record: JournalRecord): object {
  const { format, headers, raw, payload, delivery, dueAt, attempts } = record;
  return {
    ...summary(record),
    format,
    headers,
    delivery,
    ...(dueAt === undefined ? {} : { dueAt: iso(dueAt) }),
    attempts: attempts.map((attempt) => ({ ...attempt, at: iso(attempt.at) })),
    payload: textOf(payload === undefined ? raw : raw.subarray(payload.start, payload.end)),
    ...(payload === undefined ? {} : { raw: textOf(raw) }),
  };
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8');
}

function iso(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

function wholeNumber(text: string, max: number): number | undefined {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : 0;
  return value >= 1 && value <= max ? value : undefined;
}

function sequenceNumbers(body: unknown): readonly number[] | undefined {
  if (typeof body !== 'object' || body === null || !('seqs' in body) || !Array.isArray(body.seqs)) return undefined;
  const seqs: readonly unknown[] = body.seqs;
  const numbers = seqs.filter((seq) => typeof seq === 'number' && Number.isSafeInteger(seq) && seq > 0);
  const isFit = numbers.length === seqs.length && numbers.length > 0 && numbers.length <= BULK.max;
  return isFit ? numbers.map(Number) : undefined;
}

function badRequest(c: Context, error: string): Response {
  return c.json({ error }, 400);
}
