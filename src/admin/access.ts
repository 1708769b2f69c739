import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Context, MiddlewareHandler } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import type { AdminToken, Role } from '../model/admin-token.ts';
import type { Clock } from '../model/clock.ts';
import { LIMITS } from './limits.ts';

/** The holder of an admin token. */
export interface Admin {
  readonly name: string;
  readonly role: Role;
}

/** What a request carries once `requires` has let it pass. */
export interface AdminEnv {
  readonly Variables: { readonly admin: Admin };
}

export interface AccessOptions {
  /** The admin tokens of now. Without one everything except probes and metrics is closed. */
  readonly tokens: () => readonly AdminToken[];
  /** `Host` headers that are answered, without port and in lower case. */
  readonly allowedHosts: readonly string[];
  readonly clock: Clock;
}

interface Session {
  /** The token that it was begun with: the session ends with it. */
  readonly digest: Uint8Array;
  readonly endsAt: number;
}

const COOKIE = 'acr_gateway_session';
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
const RANDOM_BYTES = 32;

/**
 * Who may use the admin port. A program sends an admin token with each request; a browser logs in with one, and then has a
 * session. Sessions are in memory: a restart ends them.
 */
export class Access {
  readonly #options: AccessOptions;
  /** By the digest of the cookie's value; the oldest first. */
  readonly #sessions = new Map<string, Session>();
  #code: { readonly digest: Uint8Array; readonly endsAt: number } | undefined;

  constructor(options: AccessOptions) {
    this.#options = options;
  }

  /**
   * Answers only under a host name that is the gateway's own: a web page could otherwise reach the port by a name that it points
   * here (DNS rebinding). A browser may change something only from the gateway's own pages (CSRF); a program, which sends
   * `Authorization` and no cookie, always.
   */
  checkOrigin(): MiddlewareHandler {
    return async (c, next) => {
      const host = (c.req.header('host') ?? '').toLowerCase().replace(/:\d+$/, '');
      if (!this.#options.allowedHosts.includes(host))
        return c.json({ error: 'the Host header is not one of ADMIN_ALLOWED_HOSTS' }, 421);
      const isProgram = c.req.header('authorization') !== undefined;
      if (!isProgram && !SAFE_METHODS.has(c.req.method) && !isSameOrigin(c))
        return c.json({ error: 'a browser may send this from the pages of the gateway only' }, 403);
      await next();
      return undefined;
    };
  }

  /** Lets those pass whose token has this role, or more. */
  requires(role: Role): MiddlewareHandler<AdminEnv> {
    return async (c, next) => {
      if (this.#options.tokens().length === 0) return c.json({ error: 'no admin token is configured' }, 403);
      const admin = this.identify(c);
      if (admin === undefined)
        return c.json({ error: 'the admin token is missing or wrong' }, 401, { 'www-authenticate': 'Bearer' });
      if (role === 'operate' && admin.role !== 'operate')
        return c.json({ error: `the token of ${admin.name} has the role read; this needs operate` }, 403);
      c.set('admin', admin);
      await next();
      return undefined;
    };
  }

  /** Whose token, or session, the request carries. */
  identify(c: Context): Admin | undefined {
    const authorization = c.req.header('authorization');
    if (authorization !== undefined) return this.#withToken(/^bearer (.+)$/i.exec(authorization)?.[1] ?? '');
    return this.#inSession(getCookie(c, COOKIE));
  }

  /** Begins a session if the token is right. */
  logIn(c: Context, token: string): Admin | undefined {
    const entry = this.#entryWith(hash('sha256', token, 'buffer'));
    return entry === undefined ? undefined : this.#begin(c, entry);
  }

  /** A code that logs in once, with the role `operate`, within `LIMITS.loginCodeMs`. The code before it is void. */
  createLoginCode(): string {
    const code = randomBytes(RANDOM_BYTES).toString('base64url');
    const endsAt = this.#options.clock.tick() + LIMITS.loginCodeMs;
    this.#code = { digest: hash('sha256', code, 'buffer'), endsAt };
    return code;
  }

  logInOnce(c: Context, given: string): Admin | undefined {
    const code = this.#code;
    const isRight = code !== undefined && timingSafeEqual(hash('sha256', given, 'buffer'), code.digest);
    if (!isRight) return undefined;
    this.#code = undefined;
    const entry = this.#options.tokens().find(({ role }) => role === 'operate');
    const isOver = this.#options.clock.tick() >= code.endsAt;
    return isOver || entry === undefined ? undefined : this.#begin(c, entry);
  }

  logOut(c: Context): void {
    this.#sessions.delete(keyOf(getCookie(c, COOKIE) ?? ''));
    deleteCookie(c, COOKIE, { path: '/' });
  }

  #begin(c: Context, { name, role, digest }: AdminToken): Admin {
    const value = randomBytes(RANDOM_BYTES).toString('base64url');
    const endsAt = this.#options.clock.tick() + LIMITS.sessionMs;
    this.#sessions.set(keyOf(value), { digest, endsAt });
    const [oldest] = this.#sessions.keys();
    if (this.#sessions.size > LIMITS.maxSessions && oldest !== undefined) this.#sessions.delete(oldest);
    const maxAge = LIMITS.sessionMs / 1000;
    setCookie(c, COOKIE, value, { path: '/', httpOnly: true, sameSite: 'Strict', maxAge });
    return { name, role };
  }

  #inSession(value: string | undefined): Admin | undefined {
    const key = keyOf(value ?? '');
    const session = this.#sessions.get(key);
    if (session === undefined) return undefined;
    const entry = this.#options.clock.tick() < session.endsAt ? this.#entryWith(session.digest) : undefined;
    if (entry === undefined) this.#sessions.delete(key);
    return entry === undefined ? undefined : { name: entry.name, role: entry.role };
  }

  #withToken(token: string): Admin | undefined {
    const entry = this.#entryWith(hash('sha256', token, 'buffer'));
    return entry === undefined ? undefined : { name: entry.name, role: entry.role };
  }

  /** Compares with every token, and takes the same time whatever two digests have in common. */
  #entryWith(digest: Uint8Array): AdminToken | undefined {
    return this.#options.tokens().filter((each) => timingSafeEqual(each.digest, digest))[0];
  }
}

/**
 * A browser that knows `Sec-Fetch-Site` says whether the page is ours: another port of the same machine is not. Any other names the
 * origin with every request that can change something.
 */
function isSameOrigin(c: Context): boolean {
  const site = c.req.header('sec-fetch-site');
  if (site !== undefined) return site === 'same-origin';
  const origin = URL.parse(c.req.header('origin') ?? '');
  return origin !== null && origin.host === c.req.header('host')?.toLowerCase();
}

function keyOf(cookie: string): string {
  return hash('sha256', cookie);
}
