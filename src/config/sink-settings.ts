import type { Parsed } from '../model/parsed.ts';
import { credential } from './credential.ts';
import { parseBasicFile, parseCaFile, parseSecretFile } from './file-types.ts';
import {
  all,
  checked,
  given,
  optional,
  type Row,
  required,
  type Setting,
  type SettingIssue,
  unfit,
  type ValueOf,
  wellFormed,
} from './setting.ts';
import * as text from './text-types.ts';

function caFile(name: string, whose: string): Setting<string | undefined> {
  const path = optional({
    name,
    type: text.path,
    about: `PEM file of the authorities that ${whose} certificate may come from; read again when it changes.`,
  });
  return wellFormed(path, (file) => (file === undefined ? [] : [file]), parseCaFile);
}

const apiToken = credential('API_TOKEN', 'API_TOKEN_PATH', 'Token of the gateway’s service account in Brigade.');

const brigade = all({
  address: required({ name: 'API_ADDRESS', type: text.httpUrl, about: 'Address of the Brigade API server.' }),
  token: given(apiToken, 'one of the two is required'),
  caPath: caFile('API_CA_PATH', 'Brigade’s'),
  ignoreCertWarnings: required({
    name: 'API_IGNORE_CERT_WARNINGS',
    type: text.bool,
    default: 'false',
    about: 'Takes any certificate for Brigade’s, also a forged one; prefer `API_CA_PATH`.',
  }),
});

const address = optional({
  name: 'SINK_URL',
  type: text.cloudEventsUrl,
  about: 'Sends CloudEvents there instead of events to Brigade, of whose settings none is needed then.',
});

function secretFile(name: string, about: string, parse: typeof parseSecretFile): Setting<string | undefined> {
  const path = optional({ name, type: text.path, about: `${about}; read again when it changes.` });
  return wellFormed(path, (file) => (file === undefined ? [] : [file]), parse);
}

const cloudEvents = checked(
  all({
    mode: required({
      name: 'SINK_MODE',
      type: text.oneOf(['structured', 'binary']),
      default: 'structured',
      about: 'Whether the attributes of a CloudEvent stand beside its data or in headers.',
    }),
    tokenPath: secretFile('SINK_TOKEN_PATH', 'File of the bearer token for `SINK_URL`', parseSecretFile),
    basicPath: secretFile('SINK_BASIC_PATH', 'File of user name and password for it, `user:password`', parseBasicFile),
    caPath: caFile('SINK_CA_PATH', 'its'),
  }),
  ({ tokenPath, basicPath, ...rest }): Parsed<CloudEventsSettings, SettingIssue> => {
    if (tokenPath !== undefined && basicPath !== undefined) {
      const expected = 'no SINK_BASIC_PATH beside SINK_TOKEN_PATH';
      return unfit({ key: 'SINK_TOKEN_PATH', source: 'environment', expected, received: 'both' });
    }
    const path = tokenPath ?? basicPath;
    const scheme = basicPath === undefined ? 'Bearer' : 'Basic';
    return { kind: 'value', value: { ...rest, credential: path === undefined ? undefined : { scheme, path } } };
  },
);

interface CloudEventsSettings {
  readonly mode: 'structured' | 'binary';
  readonly credential: { readonly scheme: 'Bearer' | 'Basic'; readonly path: string } | undefined;
  readonly caPath: string | undefined;
}

export type SinkSettings =
  | ({ readonly kind: 'brigade' } & ValueOf<typeof brigade>)
  | ({ readonly kind: 'cloudevents'; readonly address: string } & CloudEventsSettings);

function neededForBrigade(row: Row): Row {
  return /required/.test(row.ifAbsent) ? { ...row, ifAbsent: `${row.ifAbsent}, unless \`SINK_URL\` is set` } : row;
}

/** Where events go: an address for CloudEvents decides. */
export const sink: Setting<SinkSettings> = {
  rows: [...brigade.rows.map(neededForBrigade), ...address.rows, ...cloudEvents.rows],
  read: async (lookup) => {
    const url = await address.read(lookup);
    if (url.kind === 'issues') return url;
    if (url.value === undefined) {
      const read = await brigade.read(lookup);
      return read.kind === 'issues' ? read : { kind: 'value', value: { kind: 'brigade', ...read.value } };
    }
    const read = await cloudEvents.read(lookup);
    if (read.kind === 'issues') return read;
    return { kind: 'value', value: { kind: 'cloudevents', address: url.value, ...read.value } };
  },
};
