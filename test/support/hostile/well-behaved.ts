import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { aPush } from '../webhooks.ts';
import { TOKENS, wellBehavedId } from './attacks.ts';

/** ACR gives up after five seconds, and does not try again. */
const PATIENCE_MS = 5_000;

const INTERVAL_MS = 100;

const ADDRESS = '127.0.0.2';

export interface CallerReport {
  readonly sent: number;
  /** Webhooks whose event was not accepted within five seconds. */
  readonly lost: number;
  /** What happened to those: the status, the result of the event, or the error. */
  readonly reasons: Readonly<Record<string, number>>;
  /** Milliseconds from when a webhook was due to its whole answer; of those without answer, to the end of the wait. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Sends ten webhooks a second as ACR does, each on a connection of its own, until the time is over. */
export async function sendWebhooks(target: {
  readonly port: number;
  readonly tls: boolean;
  readonly run: string;
  readonly ms: number;
}): Promise<CallerReport> {
  const started = performance.now();
  const sending: Promise<{ readonly result: string; readonly ms: number }>[] = [];
  for (let number = 0; number * INTERVAL_MS < target.ms; number += 1) {
    const due = started + number * INTERVAL_MS;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
    const body = aPush(wellBehavedId(target.run, number));
    sending.push(sendOne(target, body).then((result) => ({ result, ms: performance.now() - due })));
  }
  const all = await Promise.all(sending);
  const reasons: Record<string, number> = {};
  for (const { result } of all.filter(({ result }) => result !== 'accepted'))
    reasons[result] = (reasons[result] ?? 0) + 1;
  const lost = Object.values(reasons).reduce((sum, count) => sum + count, 0);
  const sorted = all.map(({ ms }) => ms).sort((one, other) => one - other);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return { sent: all.length, lost, reasons, p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** Resolves to the result of the event, or to why there is none. */
function sendOne({ port, tls }: { readonly port: number; readonly tls: boolean }, body: string): Promise<string> {
  const headers = {
    authorization: `Bearer ${TOKENS['well-behaved'].token}`,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'user-agent': 'AzureContainerRegistry/1.0',
  };
  const options = { host: '127.0.0.1', port, method: 'POST', path: '/events', headers, agent: false as const };
  return new Promise((resolve) => {
    const request = tls
      ? httpsRequest({ ...options, localAddress: ADDRESS, rejectUnauthorized: false })
      : httpRequest({ ...options, localAddress: ADDRESS });
    const patience = setTimeout(() => request.destroy(new Error('no answer')), PATIENCE_MS);
    request.on('close', () => clearTimeout(patience));
    request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      response.on('end', () => {
        const result = /"result":"([\w-]+)"/.exec(text)?.[1];
        resolve(response.statusCode === 200 && result !== undefined ? result : String(response.statusCode));
      });
    });
    request.end(body);
  });
}
