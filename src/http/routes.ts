import { type Answer, NOT_FOUND, redirectTo, WRONG_METHOD } from './answers.ts';
import type { RequestRejection } from './ingest-observer.ts';

export type Route =
  | { readonly kind: 'events' }
  /** `refused`: how it is answered where it does not ask for permission to send. */
  | { readonly kind: 'permission'; readonly refused: Extract<Route, { kind: 'rejected' }> }
  | { readonly kind: 'health' }
  | { readonly kind: 'rejected'; readonly rejection: RequestRejection; readonly answer: Answer };

interface Endpoint {
  readonly method: string;
  readonly route: Route;
}

const ENDPOINTS: ReadonlyMap<string, Endpoint> = new Map([
  ['/events', { method: 'POST', route: { kind: 'events' } }],
  ['/healthz', { method: 'GET', route: { kind: 'health' } }],
]);

const UNKNOWN_PATH: Route = { kind: 'rejected', rejection: 'unknown-path', answer: NOT_FOUND };
const MISUSED: Extract<Route, { kind: 'rejected' }> = {
  kind: 'rejected',
  rejection: 'wrong-method',
  answer: WRONG_METHOD,
};

/** Where a request belongs. `target` is its URL as sent: a path, which may have a query, or (RFC 9112, 3.2.2) an absolute URL. */
export function routeOf(method: string, target: string): Route {
  const query = target.indexOf('?');
  const path = query === -1 ? target : target.slice(0, query);
  const endpoint = ENDPOINTS.get(path);
  if (endpoint === undefined) return detourOf(method, path);
  if (method === 'OPTIONS' && endpoint.route.kind === 'events') return { kind: 'permission', refused: MISUSED };
  return endpoint.method === method ? endpoint.route : MISUSED;
}

/** What stands behind the `?` of a target. */
export function queryOf(target: string): string {
  const at = target.indexOf('?');
  return at === -1 ? '' : target.slice(at + 1);
}

function detourOf(method: string, target: string): Route {
  const path = target.replace(/^https?:\/\/[^/]*/i, '');
  if (path !== target) return routeOf(method, path);
  const clean = path.replace(/\/{2,}/g, '/').replace(/(?<=.)\/$/, '');
  const endpoint = ENDPOINTS.get(clean);
  if (endpoint === undefined) return UNKNOWN_PATH;
  return endpoint.method === method
    ? { kind: 'rejected', rejection: 'redirected', answer: redirectTo(clean) }
    : MISUSED;
}
