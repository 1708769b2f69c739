import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { decode } from '../../src/decode/decode.ts';
import type { NewRecord } from '../../src/journal/journal.ts';
import { claimDue } from '../../src/journal/sqlite/writer/claim.ts';
import { isRejected, judge } from '../../src/receive/judge.ts';
import { anAttempt } from '../support/records.ts';
import { IN_MEMORY, TestDatabase, temporaryFolder } from '../support/test-database.ts';

const REGISTRY = 'example.azurecr.io';

const TIME = { now: 1_700_000_000_000, tick: 0 };

/** As short as a client can write them. */
const HEADERS = { host: 'a', authorization: 'Bearer x', 'content-length': '0' };

/** Events of a webhook, each with that much padding. */
type Shape = (id: string, padding: string) => string;

function inEnvelope(shape: Shape, count: number): Shape {
  const events = (id: string, padding: string) =>
    Array.from({ length: count }, (_, index) => shape(`${id}-${index}`, padding)).join(',');
  return (id, padding) => `{"events":[${events(id, padding)}]}`;
}

function inArray(shape: Shape, count: number): Shape {
  const batch = inEnvelope(shape, count);
  return (id, padding) => batch(id, padding).slice('{"events":'.length, -1);
}

const push: Shape = (id, padding) =>
  `{"id":"${id}","action":"push","target":{"repository":"a","digest":"sha256:${id}"},"request":{"host":"${REGISTRY}"},"x":"${padding}"}`;
const incomplete: Shape = (id, padding) => `{"id":"${id}","action":"push","target":{"repository":5},"x":"${padding}"}`;
const cloudEvent: Shape = (id, padding) => `{"specversion":"1.0","type":"ImagePushed","id":"${id}","x":"${padding}"}`;
const gridEvent: Shape = (id, padding) =>
  `{"id":"e","topic":"/a","eventType":"Microsoft.ContainerRegistry.ImagePushed","data":${push(id, padding)}}`;
const number: Shape = () => '1';

const SHAPES: Readonly<Record<string, { readonly shape: Shape; readonly count: number }>> = {
  'a push': { shape: push, count: 1_500 },
  'two pushes': { shape: inEnvelope(push, 2), count: 800 },
  'sixteen pushes': { shape: inEnvelope(push, 16), count: 150 },
  'a batch of pushes': { shape: inEnvelope(push, 2_500), count: 1 },
  'sixteen incomplete events': { shape: inEnvelope(incomplete, 16), count: 150 },
  'sixteen unreadable CloudEvents': { shape: inArray(cloudEvent, 16), count: 150 },
  'a batch of Event Grid events': { shape: inArray(gridEvent, 2_500), count: 1 },
};

for (const [name, { shape, count }] of Object.entries(SHAPES)) {
  for (const isTraced of [false, true]) {
    test(`${name}${isTraced ? ' with a trace' : ''}: the journal grows by at most three times what was sent`, (t) => {
      const padding = leastPadding(shape, isTraced);
      const journal = new TestDatabase(join(temporaryFolder(t, IN_MEMORY), 'journal.db'), { recentKeys: 200 });
      const before = journal.database.bytesInUse();
      let sent = 0;
      for (let number = 0; number < count; number++) {
        const body = shape(`${number}`, padding);
        sent += body.length + sizeOf(headersOf(isTraced));
        const records = recordsOf(body, isTraced) ?? [];
        for (let at = 0; at < records.length; at += 64) journal.append(TIME, ...records.slice(at, at + 64));
      }
      deliverAll(journal);
      const factor = (journal.database.bytesInUse() - before) / sent;
      journal.db.close();
      assert.ok(factor > 0.5 && factor <= 3, `it grew ${factor.toFixed(2)} times`);
    });
  }
}

test('a webhook of many tiny events is rejected', () => {
  for (const shape of [number, incomplete, cloudEvent]) {
    for (const count of [16, 5_000]) {
      assert.equal(recordsOf(inEnvelope(shape, count)('1', ''), false), undefined);
    }
  }
});

/** Of the smallest such webhook that is accepted. */
function leastPadding(shape: Shape, isTraced: boolean): string {
  let length = 0;
  while (recordsOf(shape('0', 'x'.repeat(length)), isTraced) === undefined) length += 8;
  return 'x'.repeat(length);
}

function headersOf(isTraced: boolean): Readonly<Record<string, string>> {
  return isTraced ? { ...HEADERS, traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` } : HEADERS;
}

function sizeOf(headers: Readonly<Record<string, string>>): number {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST /events HTTP/1.1\r\n${lines.join('')}\r\n`.length;
}

/** Undefined: the webhook is rejected. */
function recordsOf(text: string, isTraced: boolean): readonly NewRecord[] | undefined {
  const body = Buffer.from(text);
  const headers = headersOf(isTraced);
  const decoded = decode(body, headers);
  if (decoded.kind !== 'decoded') return undefined;
  const caller = { name: 'ci', bindings: [{ registries: [REGISTRY] }] };
  const contentWindow = { ms: 60_000, regions: 'apart' } as const;
  const records: NewRecord[] = [];
  for (const judgement of judge(decoded, { headers, body, caller, receivedAt: TIME.now, contentWindow })) {
    if (isRejected(judgement)) return undefined;
    if (judgement.kind === 'kept') records.push(judgement.record);
  }
  return records;
}

/** Each was taken for one project. */
function deliverAll(journal: TestDatabase): void {
  const outcome = { kind: 'delivered', created: [{ id: randomUUID(), project: 'hello' }] } as const;
  for (;;) {
    const { claims } = claimDue(journal.database, journal.leases, { max: 500, time: TIME });
    if (claims.length === 0) return;
    const decision = { kind: 'complete' } as const;
    const attempt = anAttempt(TIME.now, outcome);
    journal.complete(TIME, ...claims.map(({ seq, fence }) => ({ seq, fence, attempt, decision })));
  }
}
