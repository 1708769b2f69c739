import * as v from 'valibot';
import { formatIssue, type Notes, notesOf, oneOf, optional, required, type Text } from './schema.ts';
import { parseBasicFile, parseCaFile, parseSecretFile, parseTlsFiles } from './secret-files.ts';
import * as text from './text-types.ts';
import { parseTokens } from './tokens-file.ts';
import { type ParseFiles, parseFiles } from './watched-file.ts';

/** What was given for variables, by their names. */
export type Texts = Readonly<Record<string, string>>;

/** A secret: given as it is, or as a file that is watched. */
export type Credential =
  | { readonly kind: 'value'; readonly value: string }
  | { readonly kind: 'file'; readonly path: string };

export type Settings = v.InferOutput<typeof serveSettings>;
export type SinkSettings = Settings['sink'];
export type DevSettings = v.InferOutput<typeof devSettings>;
export type SendSettings = v.InferOutput<typeof sendSettings>;
export type OperatorSettings = v.InferOutput<typeof operatorSettings>;

const FOLLOWED = 'read again when it changes';
const NEVER_SHOWN = 'Never shown.';
const TOKEN_IFABSENT = 'one of the two is required';

// Each variable once, in the order of the reference.

const CONFIG = {
  CONFIG_PATH: optional(
    text.path,
    `YAML file of settings, registries, callers and rules. Settings are read at start; the rest is ${FOLLOWED}.`,
  ),
};

const BRIGADE = {
  API_ADDRESS: required(text.httpUrl, 'Address of the Brigade API server.', {
    ifAbsent: 'required, unless `SINK_URL` is set',
  }),
  API_TOKEN: optional(text.secretText, `Token of the gateway’s service account in Brigade. ${NEVER_SHOWN}`, {
    ifAbsent: `${TOKEN_IFABSENT}, unless \`SINK_URL\` is set`,
  }),
  API_TOKEN_PATH: fileWith(parseSecretFile, `File that holds \`API_TOKEN\`; ${FOLLOWED}.`, {
    ifAbsent: `${TOKEN_IFABSENT}, unless \`SINK_URL\` is set`,
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

const CLOUD_EVENTS = {
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

const TOKENS = {
  TOKENS_PATH: requiredFileWith(parseTokens, `JSON file of the tokens that callers may use; ${FOLLOWED}.`),
};

const PORT = withDefault(text.port, '8080', 'Port for webhooks. With 0 the system picks one.');
const ADMIN_PORT = withDefault(
  text.port,
  '8081',
  'Port for probes, metrics and the admin API. With 0 the system picks one.',
);

const LISTENER = {
  HOST: withDefault(text.bindAddress, '0.0.0.0', 'Address on which webhooks are received.'),
  PORT,
};

const TLS_SWITCH = { TLS_ENABLED: withDefault(text.bool, 'false', 'Receives webhooks over HTTPS.') };

const TLS_FILES = {
  TLS_CERT_PATH: required(text.path, `PEM file of the certificate and its chain; ${FOLLOWED}, together with the key.`, {
    ifAbsent: 'required with `TLS_ENABLED`',
  }),
  TLS_KEY_PATH: required(text.path, 'PEM file of its private key, not encrypted.', {
    ifAbsent: 'required with `TLS_ENABLED`',
  }),
};

const INGEST = {
  MAX_BODY_BYTES: withDefault(
    text.byteSize({ min: '1KiB', max: '64MiB' }),
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

const ADMIN_LISTENER = {
  ADMIN_HOST: withDefault(text.bindAddress, '127.0.0.1', 'Address on which the admin port listens.'),
  ADMIN_PORT,
};

const ADMIN_CREDENTIAL = {
  ADMIN_TOKEN: optional(text.secretText, `Token of the admin API, which is closed without one. ${NEVER_SHOWN}`),
  ADMIN_TOKEN_PATH: fileWith(parseSecretFile, `File that holds \`ADMIN_TOKEN\`; ${FOLLOWED}.`),
};

const ADMIN_HOSTS = {
  ADMIN_ALLOWED_HOSTS: withDefault(
    text.commaSeparated(text.hostHeader),
    'localhost, 127.0.0.1, [::1]',
    'The `Host` headers, without port, that the admin API answers.',
  ),
};

const JOURNAL = {
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
    text.byteSize({ min: '0', max: '1TiB' }),
    '256MiB',
    'While less disk space is free, webhooks are answered 503.',
  ),
  JOURNAL_MAX_BYTES: withDefault(
    text.byteSize({ min: '16MiB', max: '64TiB' }),
    '2GiB',
    'Above this size the oldest completed events are deleted; pending events never are.',
  ),
};

const LOG = {
  LOG_LEVEL: withDefault(
    oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
    'info',
    'The least severe level that is logged.',
  ),
};

/** By name, in the order of the reference. */
export const SERVE_VARIABLES = {
  ...CONFIG,
  ...BRIGADE,
  ...CLOUD_EVENTS,
  ...TOKENS,
  ...LISTENER,
  ...TLS_SWITCH,
  ...TLS_FILES,
  ...INGEST,
  ...ADMIN_LISTENER,
  ...ADMIN_CREDENTIAL,
  ...ADMIN_HOSTS,
  ...JOURNAL,
  ...LOG,
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
  ADMIN_TOKEN: optional(text.secretText, `Token of the admin API. ${NEVER_SHOWN}`, { ifAbsent: TOKEN_IFABSENT }),
  ADMIN_TOKEN_PATH: fileWith(parseSecretFile, 'File that holds `ADMIN_TOKEN`.', { ifAbsent: TOKEN_IFABSENT }),
};

// How variables become settings.

const brigade = v.pipeAsync(
  variables(BRIGADE),
  credentialRule('API_TOKEN', 'API_TOKEN_PATH', { isRequired: true }),
  v.transform((it) => ({
    kind: 'brigade' as const,
    address: it.API_ADDRESS,
    token: requiredCredential(it.API_TOKEN, it.API_TOKEN_PATH),
    caPath: it.API_CA_PATH,
    ignoreCertWarnings: it.API_IGNORE_CERT_WARNINGS,
  })),
);

const cloudEvents = v.pipeAsync(
  variables(CLOUD_EVENTS),
  v.partialCheck(
    [['SINK_TOKEN_PATH'], ['SINK_BASIC_PATH']],
    (it) => it.SINK_TOKEN_PATH === undefined || it.SINK_BASIC_PATH === undefined,
    'only one of SINK_TOKEN_PATH and SINK_BASIC_PATH may be set',
  ),
  v.transform((it) => ({
    kind: 'cloudevents' as const,
    address: it.SINK_URL ?? '',
    mode: it.SINK_MODE,
    credential: sinkCredential(it.SINK_TOKEN_PATH, it.SINK_BASIC_PATH),
    caPath: it.SINK_CA_PATH,
  })),
);

/** Where events go: SINK_URL decides, and the variables of the other sink are not read. */
const sink = v.lazyAsync((given) => (isSet(given, 'SINK_URL') ? cloudEvents : brigade));

const tlsSwitch = variables(TLS_SWITCH);

const tlsFiles = v.pipeAsync(
  variables(TLS_FILES),
  v.rawCheckAsync(async ({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const { TLS_CERT_PATH: cert, TLS_KEY_PATH: key } = dataset.value;
    for (const message of await issuesOf([cert, key], parseTlsFiles)) {
      addIssue({ message: `TLS_CERT_PATH and TLS_KEY_PATH: ${message}` });
    }
  }),
  v.transform(({ TLS_CERT_PATH: cert, TLS_KEY_PATH: key }) => ({ cert, key })),
);

/** Without TLS, certificate and key are not read. */
const tls = v.lazyAsync(async (given) => {
  const { success, output } = await v.safeParseAsync(tlsSwitch, given);
  return success && output.TLS_ENABLED
    ? tlsFiles
    : v.pipeAsync(
        tlsSwitch,
        v.transform(() => undefined),
      );
});

const ingest = v.pipeAsync(
  v.unknown(),
  v.transform((given) => ({ listener: given, tls: given, rest: given })),
  v.objectAsync({ listener: variables(LISTENER), tls, rest: variables(INGEST) }),
  v.transform(({ listener, tls: files, rest }) => ({
    host: listener.HOST,
    port: listener.PORT,
    tls: files,
    maxBodyBytes: rest.MAX_BODY_BYTES,
    handshakeCredentials: rest.HANDSHAKE_CREDENTIALS,
    contentWindow: { ms: rest.CONTENT_WINDOW, regions: rest.CONTENT_WINDOW_REGIONS },
    trustedProxies: rest.TRUSTED_PROXIES,
    shutdownDelayMs: rest.SHUTDOWN_DELAY,
  })),
);

const admin = v.pipeAsync(
  variables({ ...ADMIN_LISTENER, ...ADMIN_CREDENTIAL, ...ADMIN_HOSTS }),
  credentialRule('ADMIN_TOKEN', 'ADMIN_TOKEN_PATH'),
  v.transform((it) => ({
    host: it.ADMIN_HOST,
    port: it.ADMIN_PORT,
    token: credentialOf(it.ADMIN_TOKEN, it.ADMIN_TOKEN_PATH),
    allowedHosts: it.ADMIN_ALLOWED_HOSTS,
  })),
);

const journal = v.pipeAsync(
  variables(JOURNAL),
  v.rawTransform(({ dataset: { value: it }, addIssue, NEVER }) => {
    const { JOURNAL_URL: location } = it;
    const path: [v.ObjectPathItem] = [
      { type: 'object', origin: 'value', input: it, key: 'JOURNAL_URL', value: location },
    ];
    if (location.kind === 'postgres') {
      addIssue({ message: 'PostgreSQL is not supported by this version', path });
      return NEVER;
    }
    if (location.kind === 'memory' && !it.JOURNAL_ALLOW_MEMORY) {
      addIssue({ message: '`memory:` requires JOURNAL_ALLOW_MEMORY=true', path });
      return NEVER;
    }
    return {
      location,
      allowNetworkFs: it.JOURNAL_ALLOW_NETWORK_FS,
      reserveBytes: it.JOURNAL_RESERVE,
      maxBytes: it.JOURNAL_MAX_BYTES,
    };
  }),
);

/** The settings of `serve`, of which each part reads its own variables. */
export const serveSettings = v.pipeAsync(
  v.unknown(),
  v.transform((given) => ({
    file: given,
    sink: given,
    tokens: given,
    ingest: given,
    admin: given,
    journal: given,
    log: given,
  })),
  v.objectAsync({
    file: variables(CONFIG),
    sink,
    tokens: variables(TOKENS),
    ingest,
    admin,
    journal,
    log: variables(LOG),
  }),
  v.transform(({ file, tokens, log, ...parts }) => ({
    configPath: file.CONFIG_PATH,
    ...parts,
    tokensPath: tokens.TOKENS_PATH,
    logLevel: log.LOG_LEVEL,
  })),
);

/** The settings of `dev`, which listens on 127.0.0.1 only. */
export const devSettings = v.pipeAsync(
  variables(DEV_VARIABLES),
  v.transform((it) => ({
    dataDir: it.DATA_DIR,
    port: it.PORT,
    adminPort: it.ADMIN_PORT,
    brigadePort: it.BRIGADE_PORT,
    rootPassword: it.BRIGADE_ROOT_PASSWORD,
    logLevel: it.LOG_LEVEL,
  })),
);

export const sendSettings = v.pipeAsync(
  variables(SEND_VARIABLES),
  credentialRule('WEBHOOK_TOKEN', 'WEBHOOK_TOKEN_PATH'),
  v.transform((it) => ({ url: it.WEBHOOK_URL, token: credentialOf(it.WEBHOOK_TOKEN, it.WEBHOOK_TOKEN_PATH) })),
);

/** The settings of the commands that talk to the admin port of a running gateway. */
export const operatorSettings = v.pipeAsync(
  variables(OPERATOR_VARIABLES),
  credentialRule('ADMIN_TOKEN', 'ADMIN_TOKEN_PATH', { isRequired: true }),
  v.transform((it) => ({
    url: it.ADMIN_URL ?? `http://127.0.0.1:${it.ADMIN_PORT}`,
    token: requiredCredential(it.ADMIN_TOKEN, it.ADMIN_TOKEN_PATH),
  })),
);

function variables<const E extends v.ObjectEntriesAsync>(entries: E) {
  return v.objectAsync(entries, ({ path }) => `${path?.[0].key} is required`);
}

function withDefault<T>(type: Text<T>, ifAbsent: string, about: string) {
  return v.pipe(
    v.optional(type, ifAbsent),
    v.metadata({ ...notesOf(type), about, ifAbsent: ifAbsent === '' ? 'none' : `\`${ifAbsent}\`` }),
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

async function issuesOf(paths: readonly string[], parse: ParseFiles<unknown>): Promise<readonly string[]> {
  const read = await parseFiles(paths, parse);
  return read.kind === 'issues' ? read.issues.map(formatIssue) : [];
}

/** A secret is given as it is or in a file. Of both, it would be open which one counts. */
function credentialRule<T extends object>(
  name: string,
  pathName: string,
  { isRequired = false }: { readonly isRequired?: boolean } = {},
): v.RawCheckAction<T> {
  return v.rawCheck<T>(({ dataset: { value }, addIssue }) => {
    const given = [name, pathName].filter((each) => isSet(value, each)).length;
    if (given === 2) addIssue({ message: `only one of ${name} and ${pathName} may be set` });
    if (given === 0 && isRequired) addIssue({ message: `${name} or ${pathName} is required` });
  });
}

function credentialOf(value: string | undefined, path: string | undefined): Credential | undefined {
  if (value !== undefined) return { kind: 'value', value };
  return path === undefined ? undefined : { kind: 'file', path };
}

function requiredCredential(value: string | undefined, path: string | undefined): Credential {
  const credential = credentialOf(value, path);
  if (credential === undefined) throw new Error('a required credential is missing after its check');
  return credential;
}

function sinkCredential(
  token: string | undefined,
  basic: string | undefined,
): { readonly scheme: 'Bearer' | 'Basic'; readonly path: string } | undefined {
  if (basic !== undefined) return { scheme: 'Basic', path: basic };
  return token === undefined ? undefined : { scheme: 'Bearer', path: token };
}

function isSet(given: unknown, name: string): boolean {
  return typeof given === 'object' && given !== null && Object.hasOwn(given, name);
}
