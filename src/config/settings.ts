import * as v from 'valibot';
import type { SettingInEffect } from '../model/setting.ts';
import { parseTlsFiles } from './secret-files.ts';
import * as text from './text-types.ts';
import {
  ADMIN,
  BRIGADE,
  CLOUD_EVENTS,
  CONFIG,
  DEV_VARIABLES,
  INGEST,
  issuesOf,
  JOURNAL,
  LOG,
  OPERATOR_VARIABLES,
  SEND_VARIABLES,
  TLS_FILES,
  TLS_SWITCH,
  TOKENS,
  TRACES,
} from './variables.ts';

/** What was given for variables, by their names. */
export type Texts = Readonly<Record<string, string>>;

/** A secret: given as it is, or as a file that is watched. */
export type Credential =
  | { readonly kind: 'value'; readonly value: string }
  | { readonly kind: 'file'; readonly path: string };

export type Settings = v.InferOutput<typeof serveSettings> & InEffect;

interface InEffect {
  /** Every setting as it is in use, for operators. */
  readonly inEffect: readonly SettingInEffect[];
}

export type SinkSettings = Settings['sink'];
export type DevSettings = v.InferOutput<typeof devSettings> & InEffect;
export type SendSettings = v.InferOutput<typeof sendSettings>;
export type OperatorSettings = v.InferOutput<typeof operatorSettings>;
export type JudgingSettings = v.InferOutput<typeof judgingSettings>;

const brigade = v.pipeAsync(
  variables(BRIGADE),
  credentialRule('API_TOKEN', 'API_TOKEN_PATH', 'API_TOKEN or API_TOKEN_PATH is required'),
  v.transform((it) => ({
    kind: 'brigade' as const,
    address: it.API_ADDRESS,
    token: requiredCredential(it.API_TOKEN, it.API_TOKEN_PATH),
    caPath: it.API_CA_PATH,
    ignoreCertWarnings: it.API_IGNORE_CERT_WARNINGS,
  })),
);

const cloudEvents = v.pipeAsync(
  variables({ ...CLOUD_EVENTS, SINK_URL: text.cloudEventsUrl }),
  v.partialCheck(
    [['SINK_TOKEN_PATH'], ['SINK_BASIC_PATH']],
    (it) => it.SINK_TOKEN_PATH === undefined || it.SINK_BASIC_PATH === undefined,
    'only one of SINK_TOKEN_PATH and SINK_BASIC_PATH may be set',
  ),
  v.transform((it) => ({
    kind: 'cloudevents' as const,
    address: it.SINK_URL,
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
  v.transform((given) => ({ it: given, tls: given })),
  v.objectAsync({ it: variables(INGEST), tls }),
  v.transform(({ it, tls: files }) => ({
    host: it.HOST,
    port: it.PORT,
    tls: files,
    maxBodyBytes: it.MAX_BODY_BYTES,
    handshakeCredentials: it.HANDSHAKE_CREDENTIALS,
    contentWindow: { ms: it.CONTENT_WINDOW, regions: it.CONTENT_WINDOW_REGIONS },
    trustedProxies: it.TRUSTED_PROXIES,
    shutdownDelayMs: it.SHUTDOWN_DELAY,
  })),
);

const admin = v.pipeAsync(
  variables(ADMIN),
  credentialRule('ADMIN_TOKEN', 'ADMIN_TOKEN_PATH'),
  v.transform((it) => ({
    host: it.ADMIN_HOST,
    port: it.ADMIN_PORT,
    token: credentialOf(it.ADMIN_TOKEN, it.ADMIN_TOKEN_PATH),
    tokensPath: it.ADMIN_TOKENS_PATH,
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
    traces: given,
  })),
  v.objectAsync({
    file: variables(CONFIG),
    sink,
    tokens: variables(TOKENS),
    ingest,
    admin,
    journal,
    log: variables(LOG),
    traces: variables(TRACES),
  }),
  v.transform(({ file, tokens, log, traces, ...parts }) => ({
    configPath: file.CONFIG_PATH,
    ...parts,
    tokensPath: tokens.TOKENS_PATH,
    logLevel: log.LOG_LEVEL,
    traces: tracesOf(traces),
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
    traces: tracesOf(it),
  })),
);

export const sendSettings = v.pipeAsync(
  variables(SEND_VARIABLES),
  credentialRule('WEBHOOK_TOKEN', 'WEBHOOK_TOKEN_PATH'),
  v.transform((it) => ({ url: it.WEBHOOK_URL, token: credentialOf(it.WEBHOOK_TOKEN, it.WEBHOOK_TOKEN_PATH) })),
);

/** The settings of the commands that only look at callers, rules and messages. None is required. */
export const judgingSettings = v.pipeAsync(
  variables({
    ...CONFIG,
    TOKENS_PATH: v.optionalAsync(TOKENS.TOKENS_PATH),
    SINK_URL: CLOUD_EVENTS.SINK_URL,
    SINK_MODE: CLOUD_EVENTS.SINK_MODE,
  }),
  v.transform((it) => ({
    configPath: it.CONFIG_PATH,
    tokensPath: it.TOKENS_PATH,
    /** How CloudEvents are sent. Absent: the sink is Brigade. */
    mode: it.SINK_URL === undefined ? undefined : it.SINK_MODE,
  })),
);

/** The settings of the commands that talk to the admin port of a running gateway. */
export const operatorSettings = v.pipeAsync(
  variables(OPERATOR_VARIABLES),
  credentialRule('ADMIN_TOKEN', 'ADMIN_TOKEN_PATH', 'ADMIN_TOKEN or ADMIN_TOKEN_PATH is required'),
  v.transform((it) => ({
    url: it.ADMIN_URL ?? `http://127.0.0.1:${it.ADMIN_PORT}`,
    token: requiredCredential(it.ADMIN_TOKEN, it.ADMIN_TOKEN_PATH),
  })),
);

function variables<const E extends v.ObjectEntriesAsync>(entries: E) {
  return v.objectAsync(entries, ({ path }) => `${path?.[0].key} is required`);
}

/** A secret is given as it is or in a file. With both, it would not be clear which one counts. */
function credentialRule<T extends object>(
  name: string,
  pathName: string,
  /** Reported where neither is given. Absent: neither is needed. */
  required?: string,
): v.RawCheckAction<T> {
  return v.rawCheck<T>(({ dataset: { value }, addIssue }) => {
    const given = [name, pathName].filter((each) => isSet(value, each)).length;
    if (given === 2) addIssue({ message: `only one of ${name} and ${pathName} may be set` });
    if (given === 0 && required !== undefined) addIssue({ message: required });
  });
}

/** Undefined without a collector. */
function tracesOf(it: {
  readonly OTEL_EXPORTER_OTLP_ENDPOINT?: string | undefined;
  readonly OTEL_TRACES_SAMPLER_ARG: number;
}): { readonly endpoint: string; readonly share: number } | undefined {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_SAMPLER_ARG: share } = it;
  return endpoint === undefined ? undefined : { endpoint: endpoint.replace(/\/+$/, ''), share };
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
