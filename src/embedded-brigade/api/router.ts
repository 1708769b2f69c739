import type { IncomingMessage } from 'node:http';
import { posix } from 'node:path';
import type { Accounts, Principal } from '../store/accounts.ts';
import { type Answer, LOCKED, movedTo, NO_SUCH_PAGE, refuse, WRONG_METHOD } from './answer.ts';
import type { Respond } from './server.ts';

/** What a route sees of a request that needs no token. */
export interface OpenRequest {
  readonly query: URLSearchParams;
  /** The header, whatever it holds. */
  readonly authorization: string | undefined;
}

/** What a route sees of a request. */
export interface ApiRequest {
  readonly principal: Principal;
  readonly token: string;
  /** What stands in the path where the route has `{id}`. */
  readonly id: string;
  readonly query: URLSearchParams;
  /** Reads the body; undefined when there is too much of it or the client went away. */
  readonly body: () => Promise<string | undefined>;
  /** Tells that nobody waits for the answer any more: the client went away, or the server closes. */
  readonly signal: AbortSignal;
}

export type Route = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With at most one `{id}`. */
  readonly path: string;
} & (
  | { readonly access: 'open'; readonly serve: (request: OpenRequest) => Answer }
  /** Served with a valid token only, which is judged before the body is read. */
  | { readonly access: 'token'; readonly serve: (request: ApiRequest) => Answer | Promise<Answer> }
);

/** Finds who answers a request as gorilla/mux does for Brigade, with its `StrictSlash`: a path has no slash at its end. */
export function createRouter(
  routes: readonly Route[],
  accounts: Accounts,
  readBody: (request: IncomingMessage) => Promise<string | undefined>,
): Respond {
  return async (request, signal) => {
    const [path = '', query] = (request.url ?? '').split(/\?(.*)/s);
    const match = find(routes, request.method, path);
    if (match.kind === 'unknown') return NO_SUCH_PAGE;
    if (match.kind === 'elsewhere') return movedTo(query === undefined ? match.path : `${match.path}?${query}`);
    if (match.kind === 'wrong-method') return WRONG_METHOD;
    const { route, id } = match;
    const { authorization } = request.headers;
    const parameters = new URLSearchParams(query);
    if (route.access === 'open') return route.serve({ query: parameters, authorization });
    const judged = authenticate(accounts, authorization);
    if (judged.kind === 'refused') return judged.answer;
    const { principal, token } = judged;
    return route.serve({ principal, token, id, query: parameters, body: () => readBody(request), signal });
  };
}

type Match =
  | { readonly kind: 'found'; readonly route: Route; readonly id: string }
  | { readonly kind: 'elsewhere'; readonly path: string }
  | { readonly kind: 'wrong-method' }
  | { readonly kind: 'unknown' };

function find(routes: readonly Route[], method: string | undefined, path: string): Match {
  const clean = path.startsWith('/') ? posix.normalize(path) : path;
  if (clean !== path) return { kind: 'elsewhere', path: clean };
  const bare = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
  const here = routes.flatMap((route) => {
    const id = idIn(bare, route.path);
    return id === undefined ? [] : [{ route, id }];
  });
  if (here.length === 0) return { kind: 'unknown' };
  const found = here.find(({ route }) => route.method === method);
  if (!found) return { kind: 'wrong-method' };
  return bare === path ? { kind: 'found', ...found } : { kind: 'elsewhere', path: bare };
}

/** The segment in place of `{id}`, `` for a path that has none; undefined when it is another path. */
function idIn(path: string, pattern: string): string | undefined {
  const [before = '', after] = pattern.split('{id}');
  if (after === undefined) return path === pattern ? '' : undefined;
  if (!path.startsWith(before) || !path.endsWith(after)) return undefined;
  const id = path.slice(before.length, path.length - after.length);
  return id === '' || id.includes('/') ? undefined : decoded(id);
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    // A stray percent sign: no id of ours has one.
    return undefined;
  }
}

type Judged =
  | { readonly kind: 'known'; readonly principal: Principal; readonly token: string }
  | { readonly kind: 'refused'; readonly answer: Answer };

function authenticate(accounts: Accounts, header: string | undefined): Judged {
  if (!header) return unauthenticated('"Authorization" header is missing.');
  const token = /^bearer (.+)$/is.exec(header)?.[1];
  if (token === undefined) return unauthenticated('"Authorization" header is malformed.');
  const identity = accounts.identify(token);
  if (identity.kind === 'known') return { ...identity, token };
  if (identity.kind === 'locked') return { kind: 'refused', answer: LOCKED };
  return unauthenticated('Session not found or may have expired. Please log in again.');
}

function unauthenticated(reason: string): Judged {
  return { kind: 'refused', answer: refuse({ kind: 'AuthenticationError', reason }) };
}
