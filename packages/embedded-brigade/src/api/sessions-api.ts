import { hash, timingSafeEqual } from 'node:crypto';
import { isTrue } from '../go.ts';
import type { Accounts } from '../store/accounts.ts';
import { done, errorAnswer, json, object } from './answers.ts';
import type { Api, ApiContext } from './app.ts';

/** The version of Brigade whose API this is. */
const VERSION = 'v2.6.0';
const COMMIT = 'embedded';

interface Parts {
  readonly accounts: Accounts;
  /** Root cannot log in without one. */
  readonly rootPassword: string | undefined;
}

/** Health, version and login: the routes without a token. */
export function openRoutes(app: Api, { accounts, rootPassword }: Parts): void {
  const isRoot = rootPassword ? rootCheck(rootPassword) : undefined;
  app.get('/healthz', () => json(200, '{}'));
  // Plain text, which Brigade declares to be JSON.
  app.get('/ping', () => json(200, `version ${VERSION} -- commit ${COMMIT}`));
  app.get('/v2/ping', () => object(200, 'PingResponse', { Version: VERSION, Commit: COMMIT }));
  app.post('/v2/sessions', (c) =>
    isTrue(c.req.query('root'))
      ? openRootSession(accounts, isRoot, c)
      : notSupported('Authentication using a third party identity provider is not supported by this server.'),
  );
}

export function sessionRoutes(app: Api, { accounts }: Pick<Parts, 'accounts'>): void {
  app.get('/v2/whoami', (c) => object(200, 'PrincipalReference', { ...c.var.principal }));
  // Brigade answers 500 to the token of a service account, which belongs to no session.
  app.delete('/v2/session', (c) =>
    accounts.closeSession(c.var.token) ? done() : errorAnswer({ kind: 'InternalServerError' }),
  );
}

function openRootSession(
  accounts: Accounts,
  isRoot: ((credentials: string) => boolean) | undefined,
  c: ApiContext,
): Response {
  const encoded = /^basic (.*)$/is.exec(c.req.header('authorization') ?? '')?.[1];
  const credentials = encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString('utf8');
  if (!credentials.includes(':')) {
    const reason = 'The request to create a new root session did not include a valid basic auth header.';
    return errorAnswer({ kind: 'BadRequestError', reason });
  }
  if (!isRoot) return notSupported('Authentication using root credentials is not supported by this server.');
  if (!isRoot(credentials)) {
    const reason = 'Could not authenticate request using the supplied credentials.';
    return errorAnswer({ kind: 'AuthenticationError', reason });
  }
  return object(201, 'Token', { value: accounts.openRootSession() });
}

function notSupported(reason: string): Response {
  return errorAnswer({ kind: 'NotSupportedError', reason });
}

/** Compares digests in constant time. */
function rootCheck(password: string): (credentials: string) => boolean {
  const expected = hash('sha256', `root:${password}`, 'buffer');
  return (credentials) => timingSafeEqual(hash('sha256', credentials, 'buffer'), expected);
}
