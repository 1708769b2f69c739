import { API_VERSION } from 'brigade-api/event';
import {
  KEY_PATTERN,
  LONG_TITLE_MAX_LENGTH,
  PROJECT_ID_RULE,
  SHORT_TITLE_MAX_LENGTH,
  SOURCE_RULE,
  VALUE_RULE,
} from 'brigade-api/field-rules';
import { allOf } from './schema-check.ts';

// The schemas of Brigade 2.6.0 (v2/apiserver/schemas), field by field. `allOf` stands where Brigade has one.

const string = { type: 'string' };
const boolean = { type: 'boolean' };
const strings = { type: 'array', items: string };

const apiVersion = { type: 'string', enum: [API_VERSION] };
const identifier = { type: 'string', ...PROJECT_ID_RULE };
const description = { type: 'string', minLength: 3, maxLength: 80 };
const source = allOf({ type: 'string', ...SOURCE_RULE });
const value = { type: 'string', ...VALUE_RULE };

/** Qualifiers or labels; null is as good as none. */
const pairs = { ...keyed(value), type: ['object', 'null'] };

/** An object of texts under keys of any kind. */
const texts = { type: ['object', 'null'], additionalProperties: string };

const secretNames = exactly({ imagePullSecrets: { type: ['array', 'null'], items: identifier } });

const gitDetails = {
  cloneURL: { type: 'string', pattern: String.raw`^(?:(?:(?:https?://)|(?:git@))[\w:/\-\.\?=@&%]+)$` },
  commit: { type: 'string', pattern: '^[a-fA-F0-9]*$', minLength: 8, maxLength: 40 },
  ref: string,
};

const sourceState = { apiVersion, kind: kind('SourceState'), state: keyed(string) };

/** The body of `PUT /v2/events/{id}/source-state`. */
export const SOURCE_STATE_SCHEMA: object = exactly(sourceState, ['apiVersion', 'kind']);

/** The body of `POST /v2/events`. Only the limit of a body bounds the payload. */
export const EVENT_SCHEMA: object = exactly(
  {
    apiVersion,
    kind: kind('Event'),
    metadata: exactly({}),
    projectID: emptyOr(identifier),
    source,
    type: allOf(value),
    qualifiers: pairs,
    labels: pairs,
    shortTitle: { type: 'string', maxLength: SHORT_TITLE_MAX_LENGTH },
    longTitle: { type: 'string', maxLength: LONG_TITLE_MAX_LENGTH },
    git: exactly(gitDetails),
    payload: string,
    sourceState: exactly(sourceState),
  },
  ['apiVersion', 'kind', 'source', 'type'],
);

const subscription = exactly(
  { source, types: { type: 'array', minItems: 1, items: value }, qualifiers: pairs, labels: pairs },
  ['source', 'types'],
);

const container = exactly({
  image: string,
  imagePullPolicy: { type: 'string', enum: ['', 'IfNotPresent', 'Always'] },
  command: strings,
  arguments: strings,
  environment: texts,
});

const workerTemplate = exactly({
  container: allOf(container),
  useWorkspace: boolean,
  workspaceSize: string,
  git: exactly({ ...gitDetails, initSubmodules: boolean }),
  kubernetes: secretNames,
  jobPolicies: exactly({ allowPrivileged: boolean, allowDockerSocketMount: boolean, kubernetes: secretNames }),
  logLevel: { type: 'string', enum: ['', 'DEBUG', 'INFO', 'WARN', 'ERROR'] },
  configFilesDirectory: string,
  defaultConfigFiles: texts,
  timeoutDuration: {
    type: 'string',
    pattern: String.raw`^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$`,
    minLength: 2,
  },
});

/** A project, as a file or as the body of `POST /v2/projects`. */
export const PROJECT_SCHEMA: object = exactly(
  {
    apiVersion,
    kind: kind('Project'),
    metadata: exactly({ id: allOf(identifier) }, ['id']),
    description: emptyOr(description),
    spec: exactly({ eventSubscriptions: { type: ['array', 'null'], items: subscription }, workerTemplate }, [
      'workerTemplate',
    ]),
  },
  ['apiVersion', 'kind', 'metadata', 'spec'],
);

/** The body of `POST /v2/service-accounts`. */
export const SERVICE_ACCOUNT_SCHEMA: object = exactly(
  {
    apiVersion,
    kind: kind('ServiceAccount'),
    metadata: exactly({ id: allOf(identifier) }, ['id']),
    description: allOf(description),
  },
  ['apiVersion', 'kind', 'metadata', 'description'],
);

/** The e-mail address of a user, or the id of a service account. */
const PRINCIPAL_ID = String.raw`^(?:[^<>()\[\]\\.,;:\s@"]+(?:\.[^<>()\[\]\\.,;:\s@"]+)*@(?:[a-zA-Z\d-]+\.)+[a-zA-Z]{2,}|[a-z][a-z\d-]*[a-z\d])$`;

/** The body of `POST /v2/role-assignments`. A scope can be neither `*` nor every source that an event may have. */
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

function kind(name: string): object {
  return { type: 'string', enum: [name] };
}

function emptyOr(schema: object): object {
  return { oneOf: [{ type: 'string', enum: [''] }, schema] };
}

/** An object with no fields but these. */
function exactly(properties: Readonly<Record<string, object>>, required: readonly string[] = []): object {
  return { type: 'object', required, additionalProperties: false, properties };
}

/** An object with any legal keys. */
function keyed(values: object): object {
  return { type: 'object', additionalProperties: false, patternProperties: { [KEY_PATTERN]: values } };
}
