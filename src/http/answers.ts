import type { EventReceipt, Handshake, Receipt, Rejection } from '../model/receipt.ts';
import type { Issue } from '../model/webhook.ts';
import { RETRY_AFTER_SECONDS } from './limits.ts';

export interface Answer {
  readonly status: number;
  /** Name, value, name, value, …, without length and connection. */
  readonly headers: readonly string[];
  readonly body: string;
}

const JSON_TYPE = ['Content-Type', 'application/json'] as const;

export const HEALTHY: Answer = { status: 200, headers: JSON_TYPE, body: 'ok' };
export const UNHEALTHY: Answer = { status: 503, headers: [], body: '' };
export const NOT_FOUND: Answer = {
  status: 404,
  headers: ['Content-Type', 'text/plain; charset=utf-8', 'X-Content-Type-Options', 'nosniff'],
  body: '404 page not found\n',
};
export const WRONG_METHOD: Answer = { status: 405, headers: [], body: '' };

const FORBIDDEN: Answer = { status: 403, headers: [], body: '' };
const INCOMPLETE: Answer = { status: 408, headers: JSON_TYPE, body: '{"status":"failed"}' };

/** Tells no more than that it may go better later: also the answer after a fault. */
export const UNAVAILABLE: Answer = {
  status: 503,
  headers: [...JSON_TYPE, 'Retry-After', String(RETRY_AFTER_SECONDS)],
  body: '{"status":"unavailable"}',
};

export function redirectTo(path: string): Answer {
  return { status: 301, headers: ['Location', path], body: '' };
}

/** The answer to a webhook. Its JSON always has v0.4.1's field `status`, with v0.4.1's meaning of `success` and `failed`. */
export function answerTo(answer: Receipt | Handshake | Rejection): Answer {
  switch (answer.kind) {
    case 'receipt':
      return { status: 200, headers: JSON_TYPE, body: receiptBody(answer.events) };
    case 'validation':
      return { status: 200, headers: JSON_TYPE, body: JSON.stringify({ validationResponse: answer.code }) };
    case 'unsubscription':
      return { status: 200, headers: JSON_TYPE, body: receiptBody([]) };
    case 'permission':
      return permission(answer);
    case 'unauthenticated':
    case 'out-of-scope':
      return FORBIDDEN;
    case 'unreadable':
      return failed(400, answer.issues);
    case 'too-large':
      return failed(413, [{ path: '', expected: `at most ${answer.maxBytes} bytes`, received: 'more' }]);
    case 'incomplete':
      return INCOMPLETE;
    case 'unverifiable':
    case 'overloaded':
    case 'unavailable':
      return UNAVAILABLE;
  }
}

/** CloudEvents 1.0, HTTP webhooks, 4.2. */
function permission({ origin, rate }: Extract<Handshake, { kind: 'permission' }>): Answer {
  const headers = ['Allow', 'POST, OPTIONS', 'WebHook-Allowed-Origin', origin, 'WebHook-Allowed-Rate', rate];
  return { status: 200, headers, body: '' };
}

function failed(status: number, issues: readonly Issue[]): Answer {
  return { status, headers: JSON_TYPE, body: JSON.stringify({ status: 'failed', issues }) };
}

function receiptBody(events: readonly EventReceipt[]): string {
  const status = events.length > 0 && events.every(isUnknown) ? 'ignored' : 'success';
  return `{"status":"${status}","events":${JSON.stringify(events.map(eventBody))}}`;
}

function isUnknown({ result }: EventReceipt): boolean {
  return result.kind === 'ignored' && result.reason === 'unknown-action';
}

function eventBody({ id, action, result }: EventReceipt): Readonly<Record<string, unknown>> {
  const { kind, ...details } = result;
  return { id, action, result: kind, ...details };
}
