import assert from 'node:assert/strict';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { Books, type BooksReport } from '../books.ts';
import { PATIENCE_MS } from '../changes.ts';
import { anInstallation, type ServingGateway, WEBHOOK_TOKEN } from '../serve-process.ts';
import { type Cleanup, StubBrigade } from '../stub-brigade.ts';
import { aPush, type HttpAnswer } from '../webhooks.ts';

/** Connections: more than one caller may have in flight, and fewer than the gateway accepts. */
const SENDERS = 640;

/** Those of them that send batches, and the events of each: the last one waits longer for its turn than it may. */
const BATCH_SENDERS = 24;
const BATCH = 1_000;

export interface LimitsReport {
  /** Webhooks, by the status of their answer. */
  readonly answers: Readonly<Record<string, number>>;
  readonly books: BooksReport;
}

/**
 * Lets one caller send as much as it can until the time is over and it has reached a limit: each connection sends its next
 * webhook as soon as it has an answer. Then the gateway shuts down. Rejects unless every webhook got a receipt, or 429 or 503
 * with `Retry-After`, and the books are right.
 */
export async function runAtLimits(t: Cleanup, ms: number): Promise<LimitsReport> {
  const brigade = await StubBrigade.start(t);
  const installation = await anInstallation(t, brigade.address);
  const books = new Books(brigade);
  const gateway = await books.serve(t, installation);
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const answers: Record<string, number> = {};
  const began = performance.now();
  const isOver = (): boolean => {
    const passed = performance.now() - began;
    const atLimits = (answers['429'] ?? 0) + (answers['503'] ?? 0) > 0;
    return passed > ms && (atLimits || passed > ms + PATIENCE_MS);
  };
  const senders = Array.from({ length: SENDERS }, async (_, sender) => {
    for (let number = 0; !isOver(); number += 1) {
      const body = sender < BATCH_SENDERS ? aBatch(`${sender}-${number}`) : aPush(`${sender}-${number}`);
      const answer = await post(gateway, agent, body);
      books.note(body, answer);
      answers[answer.status] = (answers[answer.status] ?? 0) + 1;
      const isLater = answer.status === 429 || answer.status === 503;
      assert.ok(isLater ? answer.headers['retry-after'] : answer.status === 200, `${answer.status} ${answer.text}`);
    }
  });
  await Promise.all(senders);
  gateway.process.signal('SIGTERM');
  assert.equal(await gateway.process.ended, 0);
  return { answers, books: await books.close(join(installation.journalFolder, 'journal.db')) };
}

function aBatch(name: string): string {
  return `{"events":[${Array.from({ length: BATCH }, (_, index) => aPush(`${name}-${index}`)).join(',')}]}`;
}

function post({ ingestPort: port }: ServingGateway, agent: Agent, body: string): Promise<HttpAnswer> {
  const headers = { authorization: `Bearer ${WEBHOOK_TOKEN}`, 'content-length': Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, method: 'POST', path: '/events', agent, headers });
    sent.on('error', reject);
    sent.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
    sent.end(body);
  });
}
