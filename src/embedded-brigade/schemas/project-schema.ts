import { apiVersion, emptyOr, exactly, gitDetails, identifier, kind, pairs, source, texts, value } from './parts.ts';

const string = { type: 'string' };
const boolean = { type: 'boolean' };
const strings = { type: ['array', 'null'], items: string };

const subscription = exactly(
  { source, types: { type: 'array', minItems: 1, items: value }, qualifiers: pairs, labels: pairs },
  ['source', 'types'],
);

const workerTemplate = exactly({
  container: exactly({
    image: string,
    imagePullPolicy: { type: 'string', enum: ['', 'IfNotPresent', 'Always'] },
    command: strings,
    arguments: strings,
    environment: texts,
  }),
  useWorkspace: boolean,
  workspaceSize: string,
  git: exactly({ ...gitDetails, initSubmodules: boolean }),
  kubernetes: exactly({ imagePullSecrets: { type: ['array', 'null'], items: identifier } }),
  jobPolicies: exactly({ allowPrivileged: boolean, allowDockerSocketMount: boolean }),
  logLevel: { type: 'string', enum: ['', 'DEBUG', 'INFO', 'WARN', 'ERROR'] },
  configFilesDirectory: string,
  defaultConfigFiles: texts,
  timeoutDuration: string,
});

/** A project, as a file or as the body of `POST /v2/projects`. */
export const PROJECT_SCHEMA: object = exactly(
  {
    apiVersion,
    kind: kind('Project'),
    metadata: exactly({ id: { allOf: [identifier] } }, ['id']),
    description: emptyOr({ type: 'string', minLength: 3, maxLength: 80 }),
    spec: exactly({ eventSubscriptions: { type: ['array', 'null'], items: subscription }, workerTemplate }, [
      'workerTemplate',
    ]),
  },
  ['apiVersion', 'kind', 'metadata', 'spec'],
);
