import { apiVersion, exactly, identifier, kind } from './parts.ts';

/** The body of `POST /v2/service-accounts`. */
export const SERVICE_ACCOUNT_SCHEMA: object = exactly(
  {
    apiVersion,
    kind: kind('ServiceAccount'),
    metadata: exactly({ id: { allOf: [identifier] } }, ['id']),
    description: { allOf: [{ type: 'string', minLength: 3, maxLength: 80 }] },
  },
  ['apiVersion', 'kind', 'metadata', 'description'],
);

/** An e-mail address, for users, or the id of a service account. */
const PRINCIPAL_ID = String.raw`^(?:[^<>()\[\]\\.,;:\s@"]+(?:\.[^<>()\[\]\\.,;:\s@"]+)*@(?:[a-zA-Z\d-]+\.)+[a-zA-Z]{2,}|[a-z][a-z\d-]*[a-z\d])$`;

/** The body of `POST /v2/role-assignments`. A scope holds neither `*` nor every source that an event may have. */
export const ROLE_ASSIGNMENT_SCHEMA: object = exactly(
  {
    apiVersion,
    kind: kind('RoleAssignment'),
    role: { type: 'string', enum: ['ADMIN', 'EVENT_CREATOR', 'PROJECT_CREATOR', 'READER'] },
    principal: exactly(
      {
        type: { type: 'string', enum: ['USER', 'SERVICE_ACCOUNT'] },
        id: { type: 'string', pattern: PRINCIPAL_ID, minLength: 3, maxLength: 50 },
      },
      ['type', 'id'],
    ),
    scope: { type: 'string', pattern: String.raw`^[a-zA-Z][a-zA-Z\d./-]*[a-zA-Z\d]$`, minLength: 3, maxLength: 50 },
  },
  ['apiVersion', 'kind', 'principal', 'role'],
);
