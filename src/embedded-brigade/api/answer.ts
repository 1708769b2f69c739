import { API_VERSION } from '../../brigade/brigade-event.ts';
import { goJson } from '../go-json.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Whole, or in parts as they come, until there are no more or nobody reads on. */
  readonly body: string | AsyncIterable<string>;
}

/** Why Brigade does not do what it is asked. The fields stand in the order in which it writes them. */
export type Refusal =
  | { readonly kind: 'AuthenticationError'; readonly reason: string }
  | { readonly kind: 'AuthorizationError' }
  | { readonly kind: 'BadRequestError'; readonly reason: string; readonly details?: readonly string[] }
  | { readonly kind: 'NotFoundError'; readonly type: string; readonly id: string }
  | { readonly kind: 'ConflictError'; readonly type: string; readonly id: string; readonly reason: string }
  | { readonly kind: 'NotSupportedError'; readonly reason: string }
  | { readonly kind: 'InternalServerError' };

const STATUS: Readonly<Record<Refusal['kind'], number>> = {
  AuthenticationError: 401,
  AuthorizationError: 403,
  BadRequestError: 400,
  NotFoundError: 404,
  ConflictError: 409,
  NotSupportedError: 501,
  InternalServerError: 500,
};

export function refuse({ kind, ...rest }: Refusal): Answer {
  return object(STATUS[kind], kind, rest);
}

/** A JSON object with the two fields that all of Brigade's begin with. */
export function object(status: number, kind: string, fields: object): Answer {
  return json(status, goJson({ kind, apiVersion: API_VERSION, ...fields }));
}

export function json(status: number, body: string): Answer {
  return { status, headers: { 'content-type': 'application/json' }, body };
}

/** Some of the objects of a kind; `next` is where the next page begins. */
export function list(status: number, kind: string, items: readonly object[], remaining: number, next?: string): Answer {
  const metadata = { ...(remaining > 0 && { continue: next }), remainingItemCount: remaining };
  return object(status, kind, { metadata, ...(items.length > 0 && { items }) });
}

/** Done, and there is nothing to say. */
export const DONE: Answer = json(200, 'null');

export const FORBIDDEN: Answer = refuse({ kind: 'AuthorizationError' });

/** To the token of a service account that is locked. */
export const LOCKED: Answer = {
  status: 403,
  headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
  body: '{}\n',
};

export const NO_SUCH_PAGE: Answer = {
  status: 404,
  headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
  body: '404 page not found\n',
};

/** Without the `Allow` that HTTP asks for, as Brigade. */
export const WRONG_METHOD: Answer = { status: 405, headers: {}, body: '' };

export function movedTo(location: string): Answer {
  return { status: 301, headers: { location }, body: '' };
}
