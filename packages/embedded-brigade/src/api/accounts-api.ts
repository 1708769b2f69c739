import { API_VERSION } from 'brigade-api/event';
import { goJson, goTime } from '../go.ts';
import { type Check, schemaCheck } from '../schema-check.ts';
import { ROLE_ASSIGNMENT_SCHEMA, SERVICE_ACCOUNT_SCHEMA } from '../schemas.ts';
import type { Accounts, RoleAssignment, Roles, ServiceAccount } from '../store/accounts.ts';
import { done, errorAnswer, forbidden, json, list, object } from './answers.ts';
import { type Api, type ApiContext, idOf, readJson } from './app.ts';
import { readPageQuery } from './query.ts';

interface Parts {
  readonly accounts: Accounts;
  readonly roles: Roles;
}

/** Service accounts, their roles, and users, which this server does not have. */
export function accountRoutes(app: Api, parts: Parts): void {
  app.post('/v2/service-accounts', (c) => create(parts, c));
  app.get('/v2/service-accounts', (c) => listAccounts(parts, c));
  app.get('/v2/service-accounts/:id', (c) => get(parts, c));
  app.delete('/v2/service-accounts/:id', (c) => remove(parts, c));
  app.put('/v2/service-accounts/:id/lock', (c) => lock(parts, c));
  app.delete('/v2/service-accounts/:id/lock', (c) => unlock(parts, c));
  app.post('/v2/role-assignments', (c) => grant(parts, c));
  app.get('/v2/role-assignments', (c) => listAssignments(parts, c));
  app.delete('/v2/role-assignments', (c) => revoke(parts, c));
  app.get('/v2/users', (c) => noUsers(parts, c, READER));
  app.get('/v2/users/:id', (c) => noUsers(parts, c, READER));
  app.put('/v2/users/:id/lock', (c) => noUsers(parts, c, ADMIN));
  app.delete('/v2/users/:id/lock', (c) => noUsers(parts, c, ADMIN));
}

const ADMIN = { role: 'ADMIN' } as const;
const READER = { role: 'READER' } as const;

interface ServiceAccountRequest {
  readonly metadata: { readonly id: string };
  readonly description: string;
}

const checkServiceAccount: Check<ServiceAccountRequest> = schemaCheck(SERVICE_ACCOUNT_SCHEMA);

async function create({ accounts, roles }: Parts, c: ApiContext): Promise<Response> {
  const read = await readJson(c, checkServiceAccount);
  if (read.kind === 'rejected') return read.answer;
  if (!roles.holds(c.var.principal, ADMIN)) return forbidden();
  const { metadata, description } = read.value;
  const { id } = metadata;
  const value = accounts.createServiceAccount(id, description);
  if (value !== undefined) return object(201, 'Token', { value });
  const reason = `A service account with the ID ${JSON.stringify(id)} already exists.`;
  return errorAnswer({ kind: 'ConflictError', type: 'ServiceAccount', id, reason });
}

function listAccounts({ accounts, roles }: Parts, c: ApiContext): Response {
  const page = readPageQuery(c);
  if (page.kind === 'bad') return errorAnswer({ kind: 'BadRequestError', reason: page.reason });
  if (!roles.holds(c.var.principal, READER)) return forbidden();
  const { items, remaining } = accounts.serviceAccounts({ limit: page.limit, after: [page.after] });
  return list(200, 'ServiceAccountList', items.map(accountDocument), remaining, items.at(-1)?.id);
}

function get({ accounts, roles }: Parts, c: ApiContext): Response {
  if (!roles.holds(c.var.principal, READER)) return forbidden();
  const account = accounts.serviceAccount(idOf(c));
  return account ? json(200, goJson(accountDocument(account))) : noSuchServiceAccount(idOf(c));
}

function remove({ accounts, roles }: Parts, c: ApiContext): Response {
  if (!roles.holds(c.var.principal, ADMIN)) return forbidden();
  return accounts.deleteServiceAccount(idOf(c)) ? done() : noSuchServiceAccount(idOf(c));
}

function lock({ accounts, roles }: Parts, c: ApiContext): Response {
  if (!roles.holds(c.var.principal, ADMIN)) return forbidden();
  return accounts.lock(idOf(c)) ? done() : noSuchServiceAccount(idOf(c));
}

function unlock({ accounts, roles }: Parts, c: ApiContext): Response {
  if (!roles.holds(c.var.principal, ADMIN)) return forbidden();
  const value = accounts.renewToken(idOf(c));
  return value === undefined ? noSuchServiceAccount(idOf(c)) : object(200, 'Token', { value });
}

function noSuchServiceAccount(id: string): Response {
  return errorAnswer({ kind: 'NotFoundError', type: 'ServiceAccount', id });
}

function accountDocument({ id, description, created, locked }: ServiceAccount): object {
  return {
    kind: 'ServiceAccount',
    apiVersion: API_VERSION,
    metadata: { id, created: timeOf(created) },
    description,
    ...(locked !== undefined && { locked: timeOf(locked) }),
  };
}

function timeOf(ms: number): string {
  return goTime(BigInt(ms) * 1_000_000n);
}

interface RoleAssignmentRequest {
  readonly role: string;
  readonly principal: PrincipalReference;
  readonly scope?: string;
}

interface PrincipalReference {
  readonly type: string;
  readonly id: string;
}

const checkRoleAssignment: Check<RoleAssignmentRequest> = schemaCheck(ROLE_ASSIGNMENT_SCHEMA);

async function grant({ accounts, roles }: Parts, c: ApiContext): Promise<Response> {
  const read = await readJson(c, checkRoleAssignment);
  if (read.kind === 'rejected') return read.answer;
  if (!roles.holds(c.var.principal, ADMIN)) return forbidden();
  const { role, principal, scope = '' } = read.value;
  const missing = noSuchPrincipal(accounts, principal);
  if (missing) return missing;
  roles.grant({ role, serviceAccount: principal.id, scope });
  return done();
}

function revoke({ accounts, roles }: Parts, c: ApiContext): Response {
  if (!roles.holds(c.var.principal, ADMIN)) return forbidden();
  const { principalType: type = '', principalID: id = '', role = '', scope = '' } = c.req.query();
  const missing = noSuchPrincipal(accounts, { type, id });
  if (missing) return missing;
  if (type === 'SERVICE_ACCOUNT') roles.revoke({ role, serviceAccount: id, scope });
  return done();
}

/** There are no users: none can log in. */
function noSuchPrincipal(accounts: Accounts, { type, id }: PrincipalReference): Response | undefined {
  if (type === 'USER') return errorAnswer({ kind: 'NotFoundError', type: 'User', id });
  if (type === 'SERVICE_ACCOUNT' && !accounts.serviceAccount(id)) return noSuchServiceAccount(id);
  return undefined;
}

function listAssignments({ roles }: Parts, c: ApiContext): Response {
  const page = readPageQuery(c);
  if (page.kind === 'bad') return errorAnswer({ kind: 'BadRequestError', reason: page.reason });
  if (!roles.holds(c.var.principal, READER)) return forbidden();
  const after = page.after === '' ? undefined : page.after.split(':');
  if (after && after.length !== 4) return errorAnswer({ kind: 'InternalServerError' });

  const { principalType: type, principalID: id, role } = c.req.query();
  // Brigade ignores one without the other.
  const principal = type && id ? { type, id } : undefined;
  const selector = { ...(role && { role }), ...(principal && { principal }) };
  const { items, remaining } = roles.list(selector, { limit: page.limit, ...(after && { after }) });
  const last = items.at(-1);
  const next = last && ['SERVICE_ACCOUNT', last.serviceAccount, last.role, last.scope].join(':');
  return list(200, 'RoleAssignmentList', items.map(assignmentDocument), remaining, next);
}

function assignmentDocument({ role, serviceAccount, scope }: RoleAssignment): object {
  return {
    kind: 'RoleAssignment',
    apiVersion: API_VERSION,
    role,
    principal: { kind: 'PrincipalReference', apiVersion: API_VERSION, type: 'SERVICE_ACCOUNT', id: serviceAccount },
    ...(scope && { scope }),
  };
}

/** As a Brigade without an identity provider answers. */
function noUsers({ roles }: Parts, c: ApiContext, role: typeof ADMIN | typeof READER): Response {
  if (!roles.holds(c.var.principal, role)) return forbidden();
  return errorAnswer({
    kind: 'NotSupportedError',
    reason:
      'Authentication using a third party identity provider is not supported by this server. User management functions ' +
      'are unavailable when authentication via a third party identity provider is not enabled.',
  });
}
