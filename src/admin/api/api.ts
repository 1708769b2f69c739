import { Hono } from 'hono';
import type { Clock } from '../../model/clock.ts';
import type { Access, AdminEnv } from '../access.ts';
import type { Operator } from '../operator.ts';
import { ROUTES } from './routes.ts';
import { Stream } from './stream.ts';

export interface ApiOptions {
  readonly operator: Operator;
  readonly access: Access;
  readonly clock: Clock;
}

/** JSON for programs and the command line. Times are RFC 3339, payloads text. */
export function adminApi({ operator, access, clock }: ApiOptions): Hono<AdminEnv> {
  const api = new Hono<AdminEnv>();
  // No route is told apart from one that is missing before the token was checked.
  api.use(access.requires('read'), async (c, next) => {
    await next();
    c.header('cache-control', 'no-store');
    c.header('x-content-type-options', 'nosniff');
  });
  for (const route of ROUTES) {
    const path = route.path.replaceAll(/\{(\w+)\}/g, ':$1');
    api.on(route.method.toUpperCase(), path, access.requires(route.role), async (c) => {
      const body = route.body === undefined ? undefined : await c.req.json().catch(() => undefined);
      const given = { params: c.req.param(), query: c.req.query(), body };
      const reply = await route.handle(given, { admin: c.get('admin'), operator, now: clock.now() });
      return c.json(reply.body, reply.status);
    });
  }
  const stream = new Stream(operator, access);
  api.get('/stream', (c) => stream.open(c));
  api.get('/openapi.json', async (c) => {
    const { default: document } = await import('./openapi.json', { with: { type: 'json' } });
    return c.json(document);
  });
  return api;
}
