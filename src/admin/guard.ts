import { hash, timingSafeEqual } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';

export interface GuardOptions {
  readonly token: () => string | undefined;
  readonly allowedHosts: readonly string[];
}

/**
 * Requires the admin token, on loopback too, and a host name that is the gateway's own: a web page could otherwise reach
 * the port by a name that it points here (DNS rebinding).
 */
export function guard({ token, allowedHosts }: GuardOptions): MiddlewareHandler {
  return async (c, next) => {
    const host = (c.req.header('host') ?? '').toLowerCase().replace(/:\d+$/, '');
    if (!allowedHosts.includes(host))
      return c.json({ error: 'the Host header is not one of ADMIN_ALLOWED_HOSTS' }, 421);
    const expected = token();
    if (expected === undefined) return c.json({ error: 'no admin token is configured' }, 403);
    const given = /^bearer (.+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
    if (given === undefined || !isSame(given, expected)) {
      return c.json({ error: 'the admin token is missing or wrong' }, 401, { 'www-authenticate': 'Bearer' });
    }
    await next();
    return undefined;
  };
}

/** Takes the same time whatever the two have in common. */
function isSame(one: string, other: string): boolean {
  return timingSafeEqual(hash('sha256', one, 'buffer'), hash('sha256', other, 'buffer'));
}
