import { json, object } from './answer.ts';
import type { Route } from './router.ts';

/** The Brigade whose API this is. */
const VERSION = 'v2.6.0';
const COMMIT = 'embedded';

export const SYSTEM_ROUTES: readonly Route[] = [
  { method: 'GET', path: '/healthz', access: 'open', serve: () => json(200, '{}') },
  // Text in a JSON wrapper, as Brigade sends it.
  { method: 'GET', path: '/ping', access: 'open', serve: () => json(200, `version ${VERSION} -- commit ${COMMIT}`) },
  {
    method: 'GET',
    path: '/v2/ping',
    access: 'open',
    serve: () => object(200, 'PingResponse', { Version: VERSION, Commit: COMMIT }),
  },
  {
    method: 'GET',
    path: '/v2/whoami',
    access: 'token',
    serve: ({ principal: { type, id } }) => object(200, 'PrincipalReference', { type, id }),
  },
];
