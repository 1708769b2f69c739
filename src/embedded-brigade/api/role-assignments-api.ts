import { API_VERSION } from '../../brigade/brigade-event.ts';
import { ROLE_ASSIGNMENT_SCHEMA } from '../schemas/account-schemas.ts';
import { schemaCheck } from '../schemas/check.ts';
import type { Accounts } from '../store/accounts.ts';
import type { RoleAssignment } from '../store/roles.ts';
import { type Answer, DONE, FORBIDDEN, list, refuse } from './answer.ts';
import { readPageQuery } from './list-query.ts';
import { readJson } from './request-body.ts';
import type { ApiRequest, Route } from './router.ts';
import { type AccountsApiParts, noSuchServiceAccount } from './service-accounts-api.ts';

const PATH = '/v2/role-assignments';

export function roleAssignmentRoutes(parts: AccountsApiParts): readonly Route[] {
  return [
    { method: 'POST', path: PATH, access: 'token', serve: (request) => grant(parts, request) },
    { method: 'GET', path: PATH, access: 'token', serve: (request) => listAll(parts, request) },
    { method: 'DELETE', path: PATH, access: 'token', serve: (request) => revoke(parts, request) },
  ];
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

const checkRoleAssignment = schemaCheck<RoleAssignmentRequest>(ROLE_ASSIGNMENT_SCHEMA);

async function grant({ accounts, roles }: AccountsApiParts, request: ApiRequest): Promise<Answer> {
  const read = await readJson(request, checkRoleAssignment);
  if (read.kind === 'refused') return read.answer;
  if (!roles.holds(request.principal, { role: 'ADMIN' })) return FORBIDDEN;
  const { role, principal, scope = '' } = read.value;
  const missing = noSuchPrincipal(accounts, principal);
  if (missing) return missing;
  roles.grant({ role, serviceAccount: principal.id, scope });
  return DONE;
}

function revoke({ accounts, roles }: AccountsApiParts, { principal: asker, query }: ApiRequest): Answer {
  if (!roles.holds(asker, { role: 'ADMIN' })) return FORBIDDEN;
  const given = (name: string) => query.get(name) ?? '';
  const [type, id] = [given('principalType'), given('principalID')];
  const missing = noSuchPrincipal(accounts, { type, id });
  if (missing) return missing;
  if (type === 'SERVICE_ACCOUNT') roles.revoke({ role: given('role'), serviceAccount: id, scope: given('scope') });
  return DONE;
}

/** Users there are none: nobody can log in as one. */
function noSuchPrincipal(accounts: Accounts, { type, id }: PrincipalReference): Answer | undefined {
  if (type === 'USER') return refuse({ kind: 'NotFoundError', type: 'User', id });
  if (type === 'SERVICE_ACCOUNT' && !accounts.serviceAccount(id)) return noSuchServiceAccount(id);
  return undefined;
}

function listAll({ roles }: AccountsApiParts, { principal: asker, query }: ApiRequest): Answer {
  const page = readPageQuery(query);
  if (page.kind === 'bad') return refuse({ kind: 'BadRequestError', reason: page.reason });
  if (!roles.holds(asker, { role: 'READER' })) return FORBIDDEN;
  const after = page.after === '' ? undefined : page.after.split(':');
  if (after && after.length !== 4) return refuse({ kind: 'InternalServerError' });

  const [type, id, role] = ['principalType', 'principalID', 'role'].map((name) => query.get(name) || undefined);
  // Brigade asks for both or looks at neither.
  const principal = type && id ? { type, id } : undefined;
  const selector = { ...(role && { role }), ...(principal && { principal }) };
  const { items, remaining } = roles.list(selector, { limit: page.limit, ...(after && { after }) });
  const last = items.at(-1);
  const next = last && ['SERVICE_ACCOUNT', last.serviceAccount, last.role, last.scope].join(':');
  return list(200, 'RoleAssignmentList', items.map(document), remaining, next);
}

function document({ role, serviceAccount, scope }: RoleAssignment): object {
  return {
    kind: 'RoleAssignment',
    apiVersion: API_VERSION,
    role,
    principal: { kind: 'PrincipalReference', apiVersion: API_VERSION, type: 'SERVICE_ACCOUNT', id: serviceAccount },
    ...(scope && { scope }),
  };
}
