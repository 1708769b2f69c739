import type { IncomingMessage } from 'node:http';
import { posix } from 'node:path';
import { type Context, Hono, type MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { matchedRoutes } from 'hono/route';
import { type Check, detail } from '../schema-check.ts';
import type { Accounts, Principal } from '../store/accounts.ts';
import { errorAnswer, locked, movedTo, noSuchPage, wrongMethod } from './answers.ts';

/** Above this Brigade's database fails, and Brigade answers 500. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;

/** What the server passes to the app beside a request. */
export interface Bindings {
  readonly incoming: IncomingMessage;
  /** Aborted when the server closes. */
  readonly closing: AbortSignal;
}

interface Env {
  readonly Bindings: Bindings;
  /** Only in requests that need a token. */
  readonly Variables: { principal: Principal; token: string };
}

export type Api = Hono<Env>;
export type ApiContext = Context<Env>;

export interface AppParts {
  readonly accounts: Accounts;
  /** Adds the routes that need no token. */
  readonly open: (app: Api) => void;
  /** Adds the routes that need a valid token. It is checked before the body is read. */
  readonly secured: (app: Api) => void;
  readonly onFault: (error: unknown) => void;
}

/** Routes requests as gorilla/mux does for Brigade, and authenticates them. */
export function createApp({ accounts, open, secured, onFault }: AppParts): Api {
  const app: Api = new Hono<Env>({ getPath: (_, options) => withoutSlash(targetOf(options?.env).path) });
  app.use(strictSlash);
  open(app);
  app.use(authenticate(accounts));
  app.use(bodyLimit({ maxSize: MAX_BODY_BYTES, onError: () => errorAnswer({ kind: 'InternalServerError' }) }));
  secured(app);
  // So that `strictSlash` finds a path that exists with other methods.
  for (const path of new Set(app.routes.map((route) => route.path))) if (path !== '/*') app.all(path, wrongMethod);
  app.onError((error, c) => {
    if (!c.req.raw.signal.aborted) onFault(error);
    return errorAnswer({ kind: 'InternalServerError' });
  });
  return app;
}

/** The path and the query as they were sent: a URL object would normalize the path. */
function targetOf(env: Bindings | undefined): { readonly path: string; readonly query: string } {
  const url = env?.incoming.url ?? '';
  const end = url.indexOf('?');
  return end === -1 ? { path: url, query: '' } : { path: url.slice(0, end), query: url.slice(end) };
}

function withoutSlash(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}

/** gorilla/mux with `StrictSlash`: a path that is not clean, or ends with a slash, is redirected to the one that is meant. */
const strictSlash: MiddlewareHandler<Env> = async (c, next) => {
  const { path, query } = targetOf(c.env);
  if (!path.startsWith('/') || !isDecodable(path)) return noSuchPage();
  const clean = posix.normalize(path);
  if (clean !== path) return movedTo(clean + query);
  const routes = matchedRoutes(c).filter((route) => route.path !== '/*');
  if (routes.length === 0) return noSuchPage();
  if (!routes.some(({ method }) => method === c.req.method)) return wrongMethod();
  const bare = withoutSlash(path);
  return bare === path ? next() : movedTo(bare + query);
};

function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    // A stray percent sign.
    return false;
  }
}

function authenticate(accounts: Accounts): MiddlewareHandler<Env> {
  return async (c, next) => {
    const header = c.req.header('authorization');
    if (!header) return unauthenticated('"Authorization" header is missing.');
    const token = /^bearer (.+)$/is.exec(header)?.[1];
    if (token === undefined) return unauthenticated('"Authorization" header is malformed.');
    const identity = accounts.identify(token);
    if (identity.kind === 'locked') return locked();
    if (identity.kind === 'unknown') {
      return unauthenticated('Session not found or may have expired. Please log in again.');
    }
    c.set('principal', identity.principal);
    c.set('token', token);
    return next();
  };
}

function unauthenticated(reason: string): Response {
  return errorAnswer({ kind: 'AuthenticationError', reason });
}

/** The segment of the path at `:id`. */
export function idOf(c: ApiContext): string {
  return c.req.param('id') ?? '';
}

export type ReadBody<T> =
  | { readonly kind: 'read'; readonly value: T }
  | { readonly kind: 'rejected'; readonly answer: Response };

/** Reads a body as JSON. Brigade ignores its Content-Type, and its own clients send none. */
export async function readJson<T>(c: ApiContext, check: Check<T>): Promise<ReadBody<T>> {
  // Not as text: that would remove a byte order mark, which makes JSON malformed for Brigade.
  const text = Buffer.from(await c.req.arrayBuffer()).toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Brigade does not explain what is wrong with the JSON.
    return badRequest('Request body contains malformed JSON');
  }
  const checked = check(value);
  if (checked.kind === 'valid') return { kind: 'read', value: checked.value };
  return badRequest('Request body failed JSON validation', checked.violations.map(detail));
}

function badRequest(reason: string, details?: readonly string[]): ReadBody<never> {
  return { kind: 'rejected', answer: errorAnswer({ kind: 'BadRequestError', reason, ...(details && { details }) }) };
}
