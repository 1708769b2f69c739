import * as v from 'valibot';
import type { Parsed, ParseIssue } from '../model/parsed.ts';
import type { SettingInEffect } from '../model/setting.ts';
import type { ConfigFile } from './config-file.ts';
import { formatIssue, notesOf, toIssue } from './schema.ts';
import { parseSecretFile } from './secret-files.ts';
import {
  type Credential,
  type DevSettings,
  devSettings,
  type JudgingSettings,
  judgingSettings,
  type OperatorSettings,
  operatorSettings,
  type SendSettings,
  type Settings,
  sendSettings,
  serveSettings,
  type Texts,
} from './settings.ts';
import { DEV_VARIABLES, SERVE_VARIABLES } from './variables.ts';
import { parseFiles } from './watched-file.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The one place where the environment of this process is read. */
export function environment(): Environment {
  return process.env;
}

/** Reads the settings of `serve` and the files that they name. Reports every issue. Never rejects. */
export function readSettings(variables: Environment): Promise<Parsed<Settings>> {
  return readWithFile(serveSettings, variables);
}

/** Likewise, those of them that say what becomes of an event. None is required. */
export function readJudgingSettings(variables: Environment): Promise<Parsed<JudgingSettings>> {
  return readWithFile(judgingSettings, variables);
}

/** What the environment leaves out may be in the configuration file. */
async function readWithFile<T>(
  schema: v.GenericSchemaAsync<unknown, T>,
  variables: Environment,
): Promise<Parsed<T & { readonly inEffect: readonly SettingInEffect[] }>> {
  const given = textsOf(variables);
  const file = given['CONFIG_PATH'] === undefined ? undefined : await readConfigFile(given['CONFIG_PATH']);
  const filed: ConfigFile['settings'] = file?.kind === 'value' ? file.value.settings : new Map();
  const texts = { ...Object.fromEntries([...filed].map(([name, { text }]) => [name, text])), ...given };
  const read = await readWith(schema, texts, (name) => {
    const line = name in given ? undefined : filed.get(name)?.line;
    return line === undefined ? {} : { file: given['CONFIG_PATH'] ?? '', line };
  });
  if (file?.kind !== 'issues') return withInEffect(read, SERVE_VARIABLES, given, filed);
  const issues = file.issues.map((issue) => ({ path: 'CONFIG_PATH', message: formatIssue(issue) }));
  // A setting that seems to be missing may be in the file that cannot be read.
  const others = read.kind === 'issues' ? read.issues.filter(({ message }) => !message.endsWith(' is required')) : [];
  return { kind: 'issues', issues: [...issues, ...others] };
}

export async function readDevSettings(variables: Environment): Promise<Parsed<DevSettings>> {
  const given = textsOf(variables);
  return withInEffect(await readWith(devSettings, given), DEV_VARIABLES, given);
}

export function readSendSettings(variables: Environment): Promise<Parsed<SendSettings>> {
  return readWith(sendSettings, textsOf(variables));
}

/** Reads the settings of the commands that talk to a running gateway. */
export function readOperatorSettings(variables: Environment): Promise<Parsed<OperatorSettings>> {
  return readWith(operatorSettings, textsOf(variables));
}

/** What works and should not stay so: sentences for the log. */
export function warningsAbout({ sink }: Settings): readonly string[] {
  const warnings: string[] = [];
  if (sink.address.startsWith('http:')) {
    const name = sink.kind === 'brigade' ? 'API_ADDRESS' : 'SINK_URL';
    warnings.push(`${name} is not https: events and credentials are sent unencrypted.`);
  }
  if (sink.kind === 'brigade' && sink.ignoreCertWarnings) {
    warnings.push('API_IGNORE_CERT_WARNINGS is on: a server that poses as Brigade gets its token and the events.');
  }
  return warnings;
}

/** The secret as it is now, for a command that needs it once. Rejects when its file went bad after the settings were read. */
export async function secretOf(credential: Credential): Promise<string> {
  if (credential.kind === 'value') return credential.value;
  const read = await parseFiles([credential.path], parseSecretFile);
  if (read.kind === 'value') return read.value;
  throw new Error(read.issues.map(formatIssue).join('; '));
}

/** An empty variable is one that is not set, as in v0.4.1. Unlike there, blanks around a value do not count. */
function textsOf(variables: Environment): Texts {
  const given = Object.entries(variables).map(([name, text = '']) => [name, text.trim()] as const);
  return Object.fromEntries(given.filter(([, text]) => text !== ''));
}

function withInEffect<T>(
  read: Parsed<T>,
  variables: Readonly<Record<string, Parameters<typeof notesOf>[0]>>,
  given: Texts,
  filed: ConfigFile['settings'] = new Map(),
): Parsed<T & { readonly inEffect: readonly SettingInEffect[] }> {
  if (read.kind === 'issues') return read;
  const inEffect = Object.entries(variables).map(([name, schema]): SettingInEffect => {
    const { byDefault, isSecret } = notesOf(schema);
    const source = name in given ? 'environment' : filed.has(name) ? 'file' : 'default';
    const value = given[name] ?? filed.get(name)?.text ?? byDefault;
    if (value === undefined) return { name, source };
    return { name, value: isSecret === true ? '[hidden]' : value, source };
  });
  return { kind: 'value', value: { ...read.value, inEffect } };
}

async function readConfigFile(path: string): Promise<Parsed<ConfigFile>> {
  // Loading YAML costs 40 ms and 12 MB: a gateway without such a file does without.
  const { parseConfigFile } = await import('./config-file.ts');
  return parseFiles([path], parseConfigFile);
}

async function readWith<T>(
  schema: v.GenericSchemaAsync<unknown, T>,
  texts: Texts,
  placeOf: (name: string) => Pick<ParseIssue, 'file' | 'line'> = () => ({}),
): Promise<Parsed<T>> {
  const { success, output, issues } = await v.safeParseAsync(schema, texts);
  if (success) return { kind: 'value', value: output };
  return {
    kind: 'issues',
    issues: issues.map((issue) => {
      const { path, message } = toIssue(issue);
      // Above the variable are the parts of the settings.
      const name = path.split('.').findLast((part) => /^[A-Z]/.test(part)) ?? '';
      return { ...placeOf(name), path: name, message };
    }),
  };
}
