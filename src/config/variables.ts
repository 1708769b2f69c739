import * as v from 'valibot';
import { parseAdminTokens } from './admin-tokens-file.ts';
import { formatIssue, type Notes, notesOf, oneOf, optional, required, type Text } from './schema.ts';
import { parseBasicFile, parseCaFile, parseSecretFile } from './secret-files.ts';
import * as text from './text-types.ts';
import { parseTokens } from './tokens-file.ts';
import { type ParseFiles, parseFiles } from './watched-file.ts';

// Every variable once: how its text is read, its default, and what docs/configuration.md says about it.

const FOLLOWED = 'read again when it changes';
const NEVER_SHOWN = 'Never shown.';
const EITHER = 'one of the two is required';

export const CONFIG = {
  CONFIG_PATH: optional(
    text.path,
    `YAML file of settings, registries, callers and rules. Settings are read at start; the rest is ${FOLLOWED}.`,
  ),
};

export const BRIGADE = {
  API_ADDRESS: required(text.httpUrl, 'Address of the Brigade API server.', {
    ifAbsent: 'required, unless `SINK_URL` is set',
  }),
  API_TOKEN: optional(text.secretText, `Token of the gateway’s service account in Brigade. ${NEVER_SHOWN}`, {
    ifAbsent: `${EITHER}, unless \`SINK_URL\` is set`,
  }),
  API_TOKEN_PATH: fileWith(parseSecretFile, `File that holds \`API_TOKEN\`; ${FOLLOWED}.`, {
    ifAbsent: `${EITHER}, unless \`SINK_URL\` is set`,
  }),
  API_CA_PATH: fileWith(
    parseCaFile,
    `PEM file of the authorities that may have issued Brigade’s certificate; ${FOLLOWED}.`,
  ),
  API_IGNORE_CERT_WARNINGS: withDefault(
    text.bool,
    'false',
    'Accepts any certificate as Brigade’s, even a forged one. Prefer `API_CA_PATH`.',
  ),
};

export const CLOUD_EVENTS = {
  SINK_URL: optional(
    text.cloudEventsUrl,
    'Sends CloudEvents there instead of events to Brigade, whose settings are then not needed.',
  ),
  SINK_MODE: withDefault(
    oneOf(['structured', 'binary']),
    'structured',
    'Where a CloudEvent has its attributes: beside its data, or in headers.',
  ),
  SINK_TOKEN_PATH: fileWith(parseSecretFile, `File with the bearer token for \`SINK_URL\`; ${FOLLOWED}.`),
  SINK_BASIC_PATH: fileWith(
    parseBasicFile,
    `File with a user name and password for \`SINK_URL\`, \`user:password\`; ${FOLLOWED}.`,
  ),
  SINK_CA_PATH: fileWith(parseCaFile, `PEM file of the authorities that may have issued its certificate; ${FOLLOWED}.`),
};

export const TOKENS = {
  TOKENS_PATH: requiredFileWith(parseTokens, `JSON file of the tokens that callers may use; ${FOLLOWED}.`),
};

const PORT = withDefault(text.port, '8080', 'Port for webhooks. With 0 the system picks one.');
const ADMIN_PORT = withDefault(
  text.port,
  '8081',
  'Port for probes, metrics and the admin API. With 0 the system picks one.',
);

export const INGEST = {
  HOST: withDefault(text.bindAddress, '0.0.0.0', 'Address on which webhooks are received.'),
  PORT,
  MAX_BODY_BYTES: withDefault(
    text.byteSize({ min: '1KiB', max: '16MiB' }),
    '2MiB',
    'A webhook with a larger body is answered 413.',
  ),
  HANDSHAKE_CREDENTIALS: withDefault(
    oneOf(['optional', 'required']),
    'optional',
    'Whether the handshakes of Event Grid and CloudEvents need credentials. A handshake carries no event.',
  ),
  CONTENT_WINDOW: withDefault(
    text.duration({ max: '7d' }),
    '0s',
    'For how long another event of the same registry, repository, action, tag and digest is a duplicate. With 0 only the event id counts.',
  ),
  CONTENT_WINDOW_REGIONS: withDefault(
    oneOf(['together', 'apart']),
    'together',
    'Whether that includes events from replicas in other regions.',
  ),
  TRUSTED_PROXIES: withDefault(text.commaSeparated(text.subnet), '', 'Proxies whose `X-Forwarded-For` is trusted.'),
  SHUTDOWN_DELAY: withDefault(
    text.duration({ max: '10m' }),
    '0s',
    'How long webhooks are accepted after SIGTERM, until load balancers have noticed.',
  ),
};

export const TLS_SWITCH = { TLS_ENABLED: withDefault(text.bool, 'false', 'Receives webhooks over HTTPS.') };

export const TLS_FILES = {
  TLS_CERT_PATH: required(text.path, `PEM file of the certificate and its chain; ${FOLLOWED}, together with the key.`, {
    ifAbsent: 'required with `TLS_ENABLED`',
  }),
  TLS_KEY_PATH: required(text.path, 'PEM file of its private key, not encrypted.', {
    ifAbsent: 'required with `TLS_ENABLED`',
  }),
};

export const ADMIN = {
  ADMIN_HOST: withDefault(text.bindAddress, '127.0.0.1', 'Address on which the admin port listens.'),
  ADMIN_PORT,
  ADMIN_TOKEN: optional(text.secretText, `Token of the admin API, which is closed without one. ${NEVER_SHOWN}`),
  ADMIN_TOKEN_PATH: fileWith(parseSecretFile, `File that holds \`ADMIN_TOKEN\`; ${FOLLOWED}.`),
  ADMIN_TOKENS_PATH: fileWith(
    parseAdminTokens,
    `JSON file of more admin tokens, each with a name and a role; ${FOLLOWED}.`,
  ),
  ADMIN_ALLOWED_HOSTS: withDefault(
    text.commaSeparated(text.hostHeader),
    'localhost, 127.0.0.1, [::1]',
    'The `Host` headers, without port, that the admin API answers.',
  ),
};

export const JOURNAL = {
  JOURNAL_URL: withDefault(
    text.journalUrl,
    'sqlite:./data/journal.db',
    'Where accepted events are kept until they are delivered.',
  ),
  JOURNAL_ALLOW_MEMORY: withDefault(
    text.bool,
    'false',
    'Allows `memory:`, which loses every undelivered event when the process ends.',
  ),
  JOURNAL_ALLOW_NETWORK_FS: withDefault(
    text.bool,
    'false',
    'Allows the journal on SMB or NFS, whose locks and fsync are not reliable.',
  ),
  JOURNAL_RESERVE: withDefault(
    text.byteSize({ min: '32MiB', max: '1TiB' }),
    '256MiB',
    'While less disk space is free, webhooks are answered 503. Delivering and pruning may use it, so that a full disk heals. A quarter of it, at most 62.5 MiB, is a file beside the journal.',
  ),
  JOURNAL_MAX_BYTES: withDefault(
    text.byteSize({ min: '16MiB', max: '64TiB' }),
    '2GiB',
    'Above this size the oldest delivered events are deleted; pending events never are. Dead letters may take half of it, those of one caller an eighth. Once pending events take half, each caller has an eighth of it for its own.',
  ),
};

export const LOG = {
  LOG_LEVEL: withDefault(
    oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
    'info',
    'The least severe level that is logged.',
  ),
};

export const TRACES = {
  OTEL_EXPORTER_OTLP_ENDPOINT: optional(
    text.httpUrl,
    'Address of a collector of OpenTelemetry, such as `http://collector:4318`: [traces](operations.md#traces) are sent there, to `/v1/traces` below it.',
  ),
  OTEL_TRACES_SAMPLER_ARG: withDefault(
    text.share,
    '1',
    'Share of the webhooks without a trace of their own that are traced. One with a trace says itself whether it is.',
  ),
};

/** By name, in the order of the reference. */
export const SERVE_VARIABLES = {
  ...CONFIG,
  ...BRIGADE,
  ...CLOUD_EVENTS,
  ...TOKENS,
  ...INGEST,
  ...TLS_SWITCH,
  ...TLS_FILES,
  ...ADMIN,
  ...JOURNAL,
  ...LOG,
  ...TRACES,
};

export const DEV_VARIABLES = {
  DATA_DIR: withDefault(text.path, './data', 'Folder of the journal and of the embedded Brigade.'),
  PORT,
  ADMIN_PORT,
  BRIGADE_PORT: withDefault(text.port, '8082', 'Port of the embedded Brigade. With 0 the system picks one.'),
  BRIGADE_ROOT_PASSWORD: optional(text.secretText, `Password for \`brig login --root\`. ${NEVER_SHOWN}`, {
    ifAbsent: 'a random one, kept in `root-password` in `DATA_DIR`',
  }),
  ...LOG,
  ...TRACES,
};

export const SEND_VARIABLES = {
  WEBHOOK_URL: withDefault(text.httpUrl, 'http://127.0.0.1:8080/events', 'Where webhooks are sent.'),
  WEBHOOK_TOKEN: optional(text.secretText, `Token to send with them. ${NEVER_SHOWN}`),
  WEBHOOK_TOKEN_PATH: fileWith(parseSecretFile, 'File that holds `WEBHOOK_TOKEN`.'),
};

export const OPERATOR_VARIABLES = {
  ADMIN_URL: optional(text.httpUrl, 'Address of the admin port of a running gateway.', {
    ifAbsent: '`http://127.0.0.1` with `ADMIN_PORT`',
  }),
  ADMIN_PORT,
  ADMIN_TOKEN: optional(text.secretText, `Token of the admin API. ${NEVER_SHOWN}`, { ifAbsent: EITHER }),
  ADMIN_TOKEN_PATH: fileWith(parseSecretFile, 'File that holds `ADMIN_TOKEN`.', { ifAbsent: EITHER }),
};

function withDefault<T>(type: Text<T>, ifAbsent: string, about: string) {
  return v.pipe(
    v.optional(type, ifAbsent),
    v.metadata({
      ...notesOf(type),
      about,
      byDefault: ifAbsent,
      ifAbsent: ifAbsent === '' ? 'none' : `\`${ifAbsent}\``,
    }),
  );
}

/** The path of a file that is there and well-formed already at start. */
function existing(parse: ParseFiles<unknown>) {
  return v.pipeAsync(
    text.path,
    v.rawCheckAsync(async ({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      for (const message of await issuesOf([dataset.value], parse)) addIssue({ message });
    }),
  );
}

function fileWith(parse: ParseFiles<unknown>, about: string, notes: Partial<Notes> = {}) {
  return v.pipeAsync(
    v.optionalAsync(existing(parse)),
    v.metadata({ ...notesOf(text.path), about, ifAbsent: 'none', ...notes }),
  );
}

function requiredFileWith(parse: ParseFiles<unknown>, about: string) {
  return v.pipeAsync(existing(parse), v.metadata({ ...notesOf(text.path), about, ifAbsent: 'required' }));
}

/** What is wrong with the files now, as sentences. */
export async function issuesOf(paths: readonly string[], parse: ParseFiles<unknown>): Promise<readonly string[]> {
  const read = await parseFiles(paths, parse);
  return read.kind === 'issues' ? read.issues.map(formatIssue) : [];
}
