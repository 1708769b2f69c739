import type { Parsed } from '../model/parsed.ts';
import { credential } from './credential.ts';
import type { ParseFiles } from './file-content.ts';
import { parseTlsFiles } from './file-types.ts';
import {
  all,
  checked,
  onlyIf,
  optional,
  required,
  type Setting,
  type SettingIssue,
  unfit,
  type ValueOf,
  wellFormed,
} from './setting.ts';
import { sink } from './sink-settings.ts';
import * as text from './text-types.ts';

export type Settings = ValueOf<typeof serveSettings>;

export const port = required({
  name: 'PORT',
  type: text.port,
  default: '8080',
  about: 'Port of the webhooks; with 0 the system picks one.',
});

export const adminPort = required({
  name: 'ADMIN_PORT',
  type: text.port,
  default: '8081',
  about: 'Port of the probes, metrics and admin API; with 0 the system picks one.',
});

export const logLevel = required({
  name: 'LOG_LEVEL',
  type: text.oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
  default: 'info',
  about: 'The least severe level that is logged.',
});

const tlsEnabled = required({
  name: 'TLS_ENABLED',
  type: text.bool,
  default: 'false',
  about: 'Serves the webhooks over HTTPS.',
});

const tlsPaths = all({
  cert: required({
    name: 'TLS_CERT_PATH',
    type: text.path,
    about: 'PEM file of the certificate and its chain; read again when it changes, together with the key.',
  }),
  key: required({ name: 'TLS_KEY_PATH', type: text.path, about: 'PEM file of its private key, not encrypted.' }),
});

const ingest = all({
  host: required({
    name: 'HOST',
    type: text.bindAddress,
    default: '0.0.0.0',
    about: 'Address on which webhooks are received.',
  }),
  port,
  tls: onlyIf(
    tlsEnabled,
    wellFormed(tlsPaths, ({ cert, key }) => [cert, key], parseTlsFiles),
  ),
  maxBodyBytes: required({
    name: 'MAX_BODY_BYTES',
    type: text.byteSize({ min: '1KiB', max: '64MiB' }),
    default: '2MiB',
    about: 'A webhook with a larger body is answered 413.',
  }),
  handshakeCredentials: required({
    name: 'HANDSHAKE_CREDENTIALS',
    type: text.oneOf(['optional', 'required']),
    default: 'optional',
    about:
      'Whether Event Grid’s and CloudEvents’ handshakes are answered to anonymousHandshakes too; they carry no event.',
  }),
  contentWindow: all({
    ms: required({
      name: 'CONTENT_WINDOW',
      type: text.duration({ max: '7d' }),
      default: '0s',
      about:
        'For how long another event of the same registry, repository, action, tag and digest is a duplicate; with 0 its id alone decides.',
    }),
    regions: required({
      name: 'CONTENT_WINDOW_REGIONS',
      type: text.oneOf(['together', 'apart']),
      default: 'together',
      about: 'Whether it is one also if it comes from a replica in another region.',
    }),
  }),
  trustedProxies: required({
    name: 'TRUSTED_PROXIES',
    type: text.listOf(text.subnet),
    default: '',
    about: 'Proxies whose `X-Forwarded-For` is believed.',
  }),
  shutdownDelayMs: required({
    name: 'SHUTDOWN_DELAY',
    type: text.duration({ max: '10m' }),
    default: '0s',
    about: 'How long webhooks are still taken after SIGTERM, so that load balancers can learn of it.',
  }),
});

const admin = all({
  host: required({
    name: 'ADMIN_HOST',
    type: text.bindAddress,
    default: '127.0.0.1',
    about: 'Address on which the admin port listens.',
  }),
  port: adminPort,
  token: credential('ADMIN_TOKEN', 'ADMIN_TOKEN_PATH', 'Token of the admin API: without one it stays closed.'),
  allowedHosts: required({
    name: 'ADMIN_ALLOWED_HOSTS',
    type: text.listOf(text.hostHeader),
    default: 'localhost, 127.0.0.1, [::1]',
    about: 'The `Host` headers, without port, that the admin API answers to.',
  }),
});

const journal = checked(
  all({
    location: required({
      name: 'JOURNAL_URL',
      type: text.journalUrl,
      default: 'sqlite:./data/journal.db',
      about: 'Where accepted events are kept until they are delivered.',
    }),
    allowMemory: required({
      name: 'JOURNAL_ALLOW_MEMORY',
      type: text.bool,
      default: 'false',
      about: 'Allows `memory:`, which loses every undelivered event when the process ends.',
    }),
    allowNetworkFs: required({
      name: 'JOURNAL_ALLOW_NETWORK_FS',
      type: text.bool,
      default: 'false',
      about: 'Allows the journal on SMB or NFS, whose locks and fsync are not to be relied upon.',
    }),
    reserveBytes: required({
      name: 'JOURNAL_RESERVE',
      type: text.byteSize({ min: '0', max: '1TiB' }),
      default: '256MiB',
      about: 'While less disk is free, webhooks are answered 503.',
    }),
    maxBytes: required({
      name: 'JOURNAL_MAX_BYTES',
      type: text.byteSize({ min: '16MiB', max: '64TiB' }),
      default: '2GiB',
      about: 'Beyond this size completed history is forgotten, the oldest first; pending events never are.',
    }),
  }),
  ({ location, allowMemory, ...rest }): Parsed<JournalSettings, SettingIssue> => {
    const fault = { key: 'JOURNAL_URL', source: 'environment' };
    if (location.kind === 'postgres') {
      return unfit({
        ...fault,
        expected: text.journalUrl.expected,
        received: 'PostgreSQL, not supported by this version',
      });
    }
    if (location.kind === 'memory' && !allowMemory) {
      return unfit({ ...fault, expected: '`sqlite:PATH`, or JOURNAL_ALLOW_MEMORY=true with it', received: 'memory:' });
    }
    return { kind: 'value', value: { location, ...rest } };
  },
);

interface JournalSettings {
  readonly location: Exclude<text.JournalLocation, { kind: 'postgres' }>;
  readonly allowNetworkFs: boolean;
  readonly reserveBytes: number;
  readonly maxBytes: number;
}

/** Where the configuration file is: read before all others, for it may say them. */
export const configPath = optional({
  name: 'CONFIG_PATH',
  type: text.path,
  about:
    'YAML file of settings, registries, callers and rules; what it says beside settings is read again when it changes.',
});

const parts = {
  configPath,
  sink,
  tokensPath: required({
    name: 'TOKENS_PATH',
    type: text.path,
    about: 'JSON file of the tokens that callers may use; read again when it changes.',
  }),
  ingest,
  admin,
  journal,
  logLevel,
};

/** The settings of `serve`. */
export const serveSettings = all(parts);

/** The same, with the tokens file judged too. How one is read is not for this module to know. */
export function serveSettingsWith(parseTokens: ParseFiles<unknown>): Setting<Settings> {
  return all({ ...parts, tokensPath: wellFormed(parts.tokensPath, (path) => [path], parseTokens) });
}
