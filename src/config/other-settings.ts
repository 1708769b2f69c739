import type { Parsed } from '../model/parsed.ts';
import { type Credential, credential } from './credential.ts';
import { all, checked, given, optional, required, type SettingIssue, type ValueOf } from './setting.ts';
import { adminPort, logLevel, port } from './settings.ts';
import * as text from './text-types.ts';

export type DevSettings = ValueOf<typeof devSettings>;
export type SendSettings = ValueOf<typeof sendSettings>;
export type OperatorSettings = ValueOf<typeof operatorSettings>;

/** The settings of `dev`, which listens on 127.0.0.1 only. */
export const devSettings = all({
  dataDir: required({
    name: 'DATA_DIR',
    type: text.path,
    default: './data',
    about: 'Directory of the journal and of the embedded Brigade.',
  }),
  port,
  adminPort,
  brigadePort: required({
    name: 'BRIGADE_PORT',
    type: text.port,
    default: '8082',
    about: 'Port of the embedded Brigade; with 0 the system picks one.',
  }),
  rootPassword: optional({
    name: 'BRIGADE_ROOT_PASSWORD',
    type: text.secretText,
    about: 'Password for `brig login --root`; if absent, a random one that is kept in `root-password` in `DATA_DIR`.',
    secret: true,
  }),
  logLevel,
});

/** The settings of `send`. */
export const sendSettings = all({
  url: required({
    name: 'WEBHOOK_URL',
    type: text.httpUrl,
    default: 'http://127.0.0.1:8080/events',
    about: 'Where webhooks are sent.',
  }),
  token: credential('WEBHOOK_TOKEN', 'WEBHOOK_TOKEN_PATH', 'Token that is sent along.'),
});

/** The settings of the commands that talk to the admin port of a running gateway. */
export const operatorSettings = checked(
  all({
    url: optional({
      name: 'ADMIN_URL',
      type: text.httpUrl,
      about: 'Address of the admin port of a running gateway; http://127.0.0.1 with `ADMIN_PORT` if absent.',
    }),
    port: adminPort,
    token: given(
      credential('ADMIN_TOKEN', 'ADMIN_TOKEN_PATH', 'Token of the admin API.'),
      'one of the two is required',
    ),
  }),
  ({ url, port: adminPortNumber, token }): Parsed<OperatorConnection, SettingIssue> => ({
    kind: 'value',
    value: { url: url ?? `http://127.0.0.1:${adminPortNumber}`, token },
  }),
);

interface OperatorConnection {
  readonly url: string;
  readonly token: Credential;
}
