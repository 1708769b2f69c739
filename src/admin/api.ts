import { setTimeout as sleep } from 'node:timers/promises';
import { type Context, Hono } from 'hono';
import * as v from 'valibot';
import { fields, formatIssue, read, text } from '../config/schema.ts';
import type { History, JournalRecord, RecordSummary } from '../journal/journal.ts';
import type { ParseIssue } from '../model/parsed.ts';
import type { Redeliver, Redelivery } from '../receive/redeliver.ts';
import { LIMITS } from './limits.ts';

const seqText = wholeNumber('a sequence number', Number.MAX_SAFE_INTEGER);

const listQuery = fields({
  limit: v.optional(
    wholeNumber(`a number from 1 to ${LIMITS.maxListed}`, LIMITS.maxListed),
    String(LIMITS.defaultListed),
  ),
  before: v.optional(seqText),
});

const oneOfThem = 'must be a sequence number';
const seqs = `must be a list of 1 to ${LIMITS.maxRedelivered} sequence numbers`;

const redeliveryBody = fields({
  seqs: v.pipe(
    v.array(v.pipe(v.number(oneOfThem), v.safeInteger(oneOfThem), v.minValue(1, oneOfThem)), seqs),
    v.nonEmpty(seqs),
    v.maxLength(LIMITS.maxRedelivered, seqs),
  ),
});

export interface ApiOptions {
  readonly history: History;
  readonly redeliver: Redeliver;
}

/** JSON for operators and the command line. Times are RFC 3339, payloads text. */
export function adminApi({ history, redeliver }: ApiOptions): Hono {
  const api = new Hono();
  api.get('/dead-letters', async (c) => {
    const query = read(listQuery, c.req.query());
    if (query.kind === 'issues') return badRequest(c, query.issues);
    const { limit, before } = query.value;
    const found = await history.find({
      state: 'dead-lettered',
      limit,
      ...(before === undefined ? {} : { before }),
    });
    return c.json({ deadLetters: found.records.map(summary) });
  });
  api.get('/events/:seq', async (c) => {
    const seq = read(seqText, c.req.param('seq'));
    const record = seq.kind === 'issues' ? undefined : await history.get(seq.value);
    return record === undefined ? c.json({ error: 'there is no such event' }, 404) : c.json(details(record));
  });
  api.post('/redeliveries', async (c) => {
    const body = read(redeliveryBody, await c.req.json().catch(() => undefined));
    if (body.kind === 'issues') return badRequest(c, body.issues);
    return c.json({ redeliveries: await redeliverAll(body.value.seqs, redeliver) });
  });
  return api;
}

async function redeliverAll(
  numbers: readonly number[],
  redeliver: Redeliver,
): Promise<readonly (Redelivery & { readonly seq: number })[]> {
  const results: (Redelivery & { readonly seq: number })[] = [];
  for (const seq of numbers) {
    if (results.length > 0) await sleep(LIMITS.redeliveryPauseMs);
    results.push({ seq, ...(await redeliver(seq)) });
  }
  return results;
}

function summary({ seq, state, receivedAt, caller, event, deadLetter }: RecordSummary): object {
  const reason = deadLetter === undefined ? {} : { deadLetter: { ...deadLetter, at: iso(deadLetter.at) } };
  return { seq, state, receivedAt: iso(receivedAt), caller, event, ...reason };
}

function details(record: JournalRecord): object {
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

function wholeNumber(expected: string, max: number) {
  return text(expected, (given) => {
    const value = /^\d{1,16}$/.test(given) ? Number(given) : 0;
    return value >= 1 && value <= max ? value : undefined;
  });
}

function badRequest(c: Context, issues: readonly ParseIssue[]): Response {
  return c.json({ error: issues.map(formatIssue).join('; ') }, 400);
}
