import { hash, timingSafeEqual } from 'node:crypto';
import type { Accounts } from '../store/accounts.ts';
import { type Answer, DONE, object, refuse } from './answer.ts';
import { isTrue } from './list-query.ts';
import type { OpenRequest, Route } from './router.ts';

export interface SessionsApiParts {
  readonly accounts: Accounts;
  /** Without one nobody can log in as root. */
  readonly rootPassword: string | undefined;
}

export function sessionRoutes({ accounts, rootPassword }: SessionsApiParts): readonly Route[] {
  const isRoot = rootPassword ? rootCheck(rootPassword) : undefined;
  return [
    {
      method: 'POST',
      path: '/v2/sessions',
      access: 'open',
      serve: (request) => (isTrue(request.query.get('root')) ? openRootSession(accounts, isRoot, request) : NO_USERS),
    },
    {
      method: 'DELETE',
      path: '/v2/session',
      access: 'token',
      // The token of a service account is that of no session, which Brigade takes for its own fault.
      serve: ({ token }) => (accounts.closeSession(token) ? DONE : refuse({ kind: 'InternalServerError' })),
    },
  ];
}

const NO_USERS = refuse({
  kind: 'NotSupportedError',
  reason: 'Authentication using a third party identity provider is not supported by this server.',
});
const NO_ROOT = refuse({
  kind: 'NotSupportedError',
  reason: 'Authentication using root credentials is not supported by this server.',
});
const NO_CREDENTIALS = refuse({
  kind: 'BadRequestError',
  reason: 'The request to create a new root session did not include a valid basic auth header.',
});
const WRONG_CREDENTIALS = refuse({
  kind: 'AuthenticationError',
  reason: 'Could not authenticate request using the supplied credentials.',
});

function openRootSession(
  accounts: Accounts,
  isRoot: ((credentials: string) => boolean) | undefined,
  { authorization = '' }: OpenRequest,
): Answer {
  const encoded = /^basic (.*)$/is.exec(authorization)?.[1];
  const credentials = encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString('utf8');
  if (!credentials.includes(':')) return NO_CREDENTIALS;
  if (!isRoot) return NO_ROOT;
  if (!isRoot(credentials)) return WRONG_CREDENTIALS;
  return object(201, 'Token', { value: accounts.openRootSession() });
}

/** Compares digests, so that the time it takes tells nothing of the password. */
function rootCheck(password: string): (credentials: string) => boolean {
  const expected = hash('sha256', `root:${password}`, 'buffer');
  return (credentials) => timingSafeEqual(hash('sha256', credentials, 'buffer'), expected);
}
