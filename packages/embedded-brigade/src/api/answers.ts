import { API_VERSION } from 'brigade-api/event';
import { goJson } from '../go.ts';

/** An error as Brigade answers it. The fields stand in the order in which Brigade writes them. */
export type ApiError =
  | { readonly kind: 'AuthenticationError'; readonly reason: string }
  | { readonly kind: 'AuthorizationError' }
  | { readonly kind: 'BadRequestError'; readonly reason: string; readonly details?: readonly string[] }
  | { readonly kind: 'NotFoundError'; readonly type: string; readonly id: string }
  | { readonly kind: 'ConflictError'; readonly type: string; readonly id: string; readonly reason: string }
  | { readonly kind: 'NotSupportedError'; readonly reason: string }
  | { readonly kind: 'InternalServerError' };

const STATUS: Readonly<Record<ApiError['kind'], number>> = {
  AuthenticationError: 401,
  AuthorizationError: 403,
  BadRequestError: 400,
  NotFoundError: 404,
  ConflictError: 409,
  NotSupportedError: 501,
  InternalServerError: 500,
};

export function errorAnswer({ kind, ...rest }: ApiError): Response {
  return object(STATUS[kind], kind, rest);
}

/** A JSON object with the two fields that every object of Brigade begins with. */
export function object(status: number, kind: string, fields: object): Response {
  return json(status, goJson({ kind, apiVersion: API_VERSION, ...fields }));
}

export function json(status: number, body: string): Response {
  return new Response(body, { status, headers: { 'content-type': 'application/json' } });
}

/** A page of a list; `next` is where the next page begins. */
export function list(
  status: number,
  kind: string,
  items: readonly object[],
  remaining: number,
  next?: string,
): Response {
  const metadata = { ...(remaining > 0 && { continue: next }), remainingItemCount: remaining };
  return object(status, kind, { metadata, ...(items.length > 0 && { items }) });
}

/** Success without a result. */
export function done(): Response {
  return json(200, 'null');
}

export function forbidden(): Response {
  return errorAnswer({ kind: 'AuthorizationError' });
}

/** For the token of a locked service account. */
export function locked(): Response {
  return plainText(403, '{}\n');
}

export function noSuchPage(): Response {
  return plainText(404, '404 page not found\n');
}

/** Without the `Allow` header that HTTP requires, as Brigade. */
export function wrongMethod(): Response {
  return new Response(null, { status: 405 });
}

export function movedTo(location: string): Response {
  return new Response(null, { status: 301, headers: { location } });
}

/** As Go's `http.Error` answers. */
function plainText(status: number, body: string): Response {
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };
  return new Response(body, { status, headers });
}
