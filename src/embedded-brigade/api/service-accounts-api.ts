import { API_VERSION } from '../../brigade/brigade-event.ts';
import { goJson, goTime } from '../go-json.ts';
import { SERVICE_ACCOUNT_SCHEMA } from '../schemas/account-schemas.ts';
import { schemaCheck } from '../schemas/check.ts';
import type { Accounts, ServiceAccount } from '../store/accounts.ts';
import type { Roles } from '../store/roles.ts';
import { type Answer, DONE, FORBIDDEN, json, list, object, refuse } from './answer.ts';
import { readPageQuery } from './list-query.ts';
import { readJson } from './request-body.ts';
import type { ApiRequest, Route } from './router.ts';

export interface AccountsApiParts {
  readonly accounts: Accounts;
  readonly roles: Roles;
}

export function serviceAccountRoutes(parts: AccountsApiParts): readonly Route[] {
  const one = '/v2/service-accounts/{id}';
  const all = '/v2/service-accounts';
  return [
    { method: 'POST', path: all, access: 'token', serve: (request) => create(parts, request) },
    { method: 'GET', path: all, access: 'token', serve: (request) => listAll(parts, request) },
    { method: 'GET', path: one, access: 'token', serve: (request) => get(parts, request) },
    { method: 'DELETE', path: one, access: 'token', serve: (request) => remove(parts, request) },
    { method: 'PUT', path: `${one}/lock`, access: 'token', serve: (request) => lock(parts, request) },
    { method: 'DELETE', path: `${one}/lock`, access: 'token', serve: (request) => unlock(parts, request) },
  ];
}

const ADMIN = { role: 'ADMIN' } as const;
const READER = { role: 'READER' } as const;

interface ServiceAccountRequest {
  readonly metadata: { readonly id: string };
  readonly description: string;
}

const checkServiceAccount = schemaCheck<ServiceAccountRequest>(SERVICE_ACCOUNT_SCHEMA);

async function create({ accounts, roles }: AccountsApiParts, request: ApiRequest): Promise<Answer> {
  const read = await readJson(request, checkServiceAccount);
  if (read.kind === 'refused') return read.answer;
  if (!roles.holds(request.principal, ADMIN)) return FORBIDDEN;
  const { metadata, description } = read.value;
  const { id } = metadata;
  const value = accounts.createServiceAccount(id, description);
  if (value !== undefined) return object(201, 'Token', { value });
  const reason = `A service account with the ID ${JSON.stringify(id)} already exists.`;
  return refuse({ kind: 'ConflictError', type: 'ServiceAccount', id, reason });
}

function listAll({ accounts, roles }: AccountsApiParts, { principal, query }: ApiRequest): Answer {
  const page = readPageQuery(query);
  if (page.kind === 'bad') return refuse({ kind: 'BadRequestError', reason: page.reason });
  if (!roles.holds(principal, READER)) return FORBIDDEN;
  const { items, remaining } = accounts.serviceAccounts({ limit: page.limit, after: [page.after] });
  return list(200, 'ServiceAccountList', items.map(document), remaining, items.at(-1)?.id);
}

function get({ accounts, roles }: AccountsApiParts, { principal, id }: ApiRequest): Answer {
  if (!roles.holds(principal, READER)) return FORBIDDEN;
  const account = accounts.serviceAccount(id);
  return account ? json(200, goJson(document(account))) : noSuchServiceAccount(id);
}

function remove({ accounts, roles }: AccountsApiParts, { principal, id }: ApiRequest): Answer {
  if (!roles.holds(principal, ADMIN)) return FORBIDDEN;
  return accounts.deleteServiceAccount(id) ? DONE : noSuchServiceAccount(id);
}

function lock({ accounts, roles }: AccountsApiParts, { principal, id }: ApiRequest): Answer {
  if (!roles.holds(principal, ADMIN)) return FORBIDDEN;
  return accounts.lock(id) ? DONE : noSuchServiceAccount(id);
}

function unlock({ accounts, roles }: AccountsApiParts, { principal, id }: ApiRequest): Answer {
  if (!roles.holds(principal, ADMIN)) return FORBIDDEN;
  const value = accounts.renewToken(id);
  return value === undefined ? noSuchServiceAccount(id) : object(200, 'Token', { value });
}

export function noSuchServiceAccount(id: string): Answer {
  return refuse({ kind: 'NotFoundError', type: 'ServiceAccount', id });
}

function document({ id, description, created, locked }: ServiceAccount): object {
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
