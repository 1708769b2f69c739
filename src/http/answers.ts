import type { EventReceipt, Handshake, Receipt, Rejection } from '../model/receipt.ts';
import type { Issue } from '../model/webhook.ts';
import { LIMITS } from './limits.ts';

/** What the port sends: status, headers and body. */
export interface HttpAnswer {
  readonly status: number;
  /** Name, value, name, value, …, without `Content-Length` and `Connection`. */
  readonly headers: readonly string[];
  readonly body: string;
}

const JSON_TYPE = ['Content-Type', 'application/json'] as const;

export const HEALTHY: HttpAnswer = { status: 200, headers: JSON_TYPE, body: 'ok' };
export const UNHEALTHY: HttpAnswer = { status: 503, headers: [], body: '' };
export const NOT_FOUND: HttpAnswer = {
  status: 404,
  headers: ['Content-Type', 'text/plain; charset=utf-8', 'X-Content-Type-Options', 'nosniff'],
  body: '404 page not found\n',
};
export const WRONG_METHOD: HttpAnswer = { status: 405, headers: [], body: '' };

/** Of a request that node:http would accept, but that is not clear. */
export const BAD_REQUEST: HttpAnswer = { status: 400, headers: [], body: '' };
export const NOT_IMPLEMENTED: HttpAnswer = { status: 501, headers: [], body: '' };
export const WRONG_VERSION: HttpAnswer = { status: 505, headers: [], body: '' };

/** Every 503 to a webhook, also after a fault. The reason is only in the gateway's log. */
export const UNAVAILABLE: HttpAnswer = {
  status: 503,
  headers: [...JSON_TYPE, 'Retry-After', String(LIMITS.retryAfterSeconds.value)],
  body: '{"status":"unavailable"}',
};

const TOO_MANY: HttpAnswer = { ...UNAVAILABLE, status: 429 };

const FORBIDDEN: HttpAnswer = { status: 403, headers: [], body: '' };

export function redirectTo(path: string): HttpAnswer {
  return { status: 301, headers: ['Location', path], body: '' };
}

/** The answer to a webhook. Its JSON always has v0.4.1's field `status`; `success` and `failed` mean what they meant there. */
export function answerTo(answer: Receipt | Handshake | Rejection): HttpAnswer {
  switch (answer.kind) {
    case 'receipt':
      return ok(receiptBody(answer.events));
    case 'validation':
      return ok(JSON.stringify({ validationResponse: answer.code }));
    case 'unsubscription':
      return ok(receiptBody([]));
    case 'permission':
      return permission(answer);
    default:
      return rejected(answer);
  }
}

/** 403: wrong credentials, or not allowed with them. 429: the caller has too many webhooks in flight. 503: the gateway cannot take the webhook now. The others: a bad request. */
const STATUS_OF: Readonly<Record<Rejection['kind'], 400 | 403 | 408 | 413 | 429 | 503>> = {
  unauthenticated: 403,
  'out-of-scope': 403,
  unreadable: 400,
  'too-large': 413,
  incomplete: 408,
  'too-many': 429,
  unverifiable: 503,
  overloaded: 503,
  unavailable: 503,
};

function rejected(rejection: Rejection): HttpAnswer {
  const status = STATUS_OF[rejection.kind];
  if (status === 403) return FORBIDDEN;
  if (status === 429) return TOO_MANY;
  if (status === 503) return UNAVAILABLE;
  return { status, headers: JSON_TYPE, body: JSON.stringify({ status: 'failed', issues: issuesOf(rejection) }) };
}

function issuesOf(rejection: Rejection): readonly Issue[] | undefined {
  if (rejection.kind === 'unreadable') return rejection.issues;
  if (rejection.kind !== 'too-large') return undefined;
  return [{ path: '', expected: `at most ${rejection.maxBytes} bytes`, received: 'more' }];
}

function ok(body: string): HttpAnswer {
  return { status: 200, headers: JSON_TYPE, body };
}

/** CloudEvents 1.0, HTTP webhooks, 4.2. */
function permission({ origin, rate }: Extract<Handshake, { kind: 'permission' }>): HttpAnswer {
  const headers = ['Allow', 'POST, OPTIONS', 'WebHook-Allowed-Origin', origin, 'WebHook-Allowed-Rate', rate];
  return { status: 200, headers, body: '' };
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
