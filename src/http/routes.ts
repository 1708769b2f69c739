import type { IncomingMessage } from 'node:http';
import {
  BAD_REQUEST,
  type HttpAnswer,
  NOT_FOUND,
  NOT_IMPLEMENTED,
  redirectTo,
  WRONG_METHOD,
  WRONG_VERSION,
} from './answers.ts';
import type { RequestRejection } from './ingest-observer.ts';

/** What a request asks for. */
export type Route =
  | { readonly kind: 'webhook' }
  /** An `OPTIONS` that asks for permission to send webhooks (CloudEvents 1.0, HTTP webhooks, 4.1). */
  | { readonly kind: 'permission' }
  | { readonly kind: 'health' }
  | { readonly kind: 'rejected'; readonly rejection: RequestRejection; readonly answer: HttpAnswer };

type RequestTarget = Pick<IncomingMessage, 'method' | 'url' | 'headers'>;

type ProtocolDetails = Pick<IncomingMessage, 'httpVersion' | 'headers' | 'rawHeaders'>;

interface Endpoint {
  readonly method: string;
  readonly route: Route;
}

const ENDPOINTS: ReadonlyMap<string, Endpoint> = new Map([
  ['/events', { method: 'POST', route: { kind: 'webhook' } }],
  ['/healthz', { method: 'GET', route: { kind: 'health' } }],
]);

function rejected(rejection: RequestRejection, answer: HttpAnswer): Route {
  return { kind: 'rejected', rejection, answer };
}

/**
 * What node:http accepts, but another server in front could understand differently. Undefined for a request that is fine.
 *
 * RFC 9112: 2.3 (version), 3.2 (`Host`), 6.1 (transfer codings).
 */
export function violationOf({ httpVersion, headers, rawHeaders }: ProtocolDetails): Route | undefined {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return rejected('unsupported', WRONG_VERSION);
  const hosts = countHosts(rawHeaders);
  if (hosts > 1 || (hosts === 0 && httpVersion === '1.1')) return rejected('malformed', BAD_REQUEST);
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return rejected('unsupported', NOT_IMPLEMENTED);
  return undefined;
}

/** `url` is the request's target as sent: a path, which may have a query, or an absolute URL (RFC 9112, 3.2.2). */
export function routeOf({ method, url = '', headers }: RequestTarget): Route {
  const [path = ''] = url.split('?', 1);
  const endpoint = ENDPOINTS.get(path);
  if (endpoint === undefined) return indirectRoute({ method, url: path, headers });
  if (endpoint.method === method) return endpoint.route;
  const asksPermission = method === 'OPTIONS' && headers['webhook-request-origin'] !== undefined;
  if (asksPermission && endpoint.route.kind === 'webhook') return { kind: 'permission' };
  return rejected('wrong-method', WRONG_METHOD);
}

/** node:http keeps the first `Host` in `headers` and drops the others. */
function countHosts(rawHeaders: readonly string[]): number {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at];
    if (name?.length === 4 && name.toLowerCase() === 'host') count += 1;
  }
  return count;
}

/** What follows the `?` of a request's target. */
export function queryOf(url: string): string {
  const at = url.indexOf('?');
  return at === -1 ? '' : url.slice(at + 1);
}

/** The route of an absolute URL, or of a path that is written differently. */
function indirectRoute({ method, url = '', headers }: RequestTarget): Route {
  const path = url.replace(/^https?:\/\/[^/]*/i, '');
  if (path !== url) return routeOf({ method, url: path, headers });
  const clean = path.replace(/\/{2,}/g, '/').replace(/(?<=.)\/$/, '');
  const endpoint = ENDPOINTS.get(clean);
  if (endpoint === undefined) return rejected('unknown-path', NOT_FOUND);
  if (endpoint.method !== method) return rejected('wrong-method', WRONG_METHOD);
  return rejected('redirected', redirectTo(clean));
}
