import type { Parsed } from '../model/parsed.ts';
import { type ParseFiles, parseFiles } from './file-content.ts';
import {
  type DevSettings,
  devSettings,
  type OperatorSettings,
  operatorSettings,
  type SendSettings,
  sendSettings,
} from './other-settings.ts';
import type { Lookup, SettingIssue } from './setting.ts';
import { configPath, type Settings, serveSettingsWith } from './settings.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export type SettingsRead<S> =
  | {
      readonly kind: 'settings';
      readonly settings: S;
      /** What works, and should not stay so. Sentences for the log. */
      readonly warnings: readonly string[];
    }
  | { readonly kind: 'issues'; readonly issues: readonly SettingIssue[] };

/** Reads the settings of `send`. Never rejects. */
export async function readSendSettings(variables: Environment): Promise<SettingsRead<SendSettings>> {
  const read = await sendSettings.read(lookupIn(variables));
  return read.kind === 'issues' ? read : { kind: 'settings', settings: read.value, warnings: [] };
}

/** The one place where the environment of this process is looked at. */
export function environment(): Environment {
  return process.env;
}

/** Reads the settings of `serve` and the files that they name; resolves to every issue at once. Never rejects. */
export async function readSettings(
  variables: Environment,
  parseTokens: ParseFiles<unknown>,
): Promise<SettingsRead<Settings>> {
  const given = lookupIn(variables);
  const file = await readConfigFile(given);
  const filed: Lookup = file.kind === 'value' ? file.value : () => undefined;
  const read = await serveSettingsWith(parseTokens).read((name) => given(name) ?? filed(name));
  if (file.kind === 'issues') {
    // What seems to be missing may stand in the file.
    const others = read.kind === 'issues' ? read.issues.filter(({ received }) => received !== 'nothing') : [];
    return { kind: 'issues', issues: [...file.issues, ...others] };
  }
  if (read.kind === 'issues') return read;
  return { kind: 'settings', settings: read.value, warnings: warningsAbout(read.value) };
}

/** Reads the settings of `dev`. Never rejects. */
export async function readDevSettings(variables: Environment): Promise<SettingsRead<DevSettings>> {
  const read = await devSettings.read(lookupIn(variables));
  return read.kind === 'issues' ? read : { kind: 'settings', settings: read.value, warnings: [] };
}

/** Reads the settings of the commands that talk to a running gateway. Never rejects. */
export async function readOperatorSettings(variables: Environment): Promise<SettingsRead<OperatorSettings>> {
  const read = await operatorSettings.read(lookupIn(variables));
  return read.kind === 'issues' ? read : { kind: 'settings', settings: read.value, warnings: [] };
}

/** An empty variable is one that is not set, as in v0.4.1. Other than there, blanks around a value do not count. */
function lookupIn(variables: Environment): Lookup {
  return (name) => {
    const text = variables[name]?.trim() ?? '';
    return text === '' ? undefined : { text, source: 'environment' };
  };
}

/** Finds what the configuration file says, if there is one. */
async function readConfigFile(given: Lookup): Promise<Parsed<Lookup, SettingIssue>> {
  const path = await configPath.read(given);
  // An illegal path is told with the other settings.
  if (path.kind === 'issues' || path.value === undefined) return { kind: 'value', value: () => undefined };
  const source = path.value;
  // Who has no such file need not load YAML.
  const { parseConfigFile } = await import('./config-file.ts');
  const file = await parseFiles([source], parseConfigFile);
  if (file.kind === 'issues') {
    return { kind: 'issues', issues: file.issues.map((issue) => ({ ...issue, key: 'CONFIG_PATH', source })) };
  }
  const { settings } = file.value;
  return {
    kind: 'value',
    value: (name) => {
      const found = settings.get(name);
      return found === undefined ? undefined : { text: found.text, source: `${source}:${found.line}` };
    },
  };
}

function warningsAbout({ sink }: Settings): readonly string[] {
  const warnings: string[] = [];
  if (sink.address.startsWith('http:')) {
    const name = sink.kind === 'brigade' ? 'API_ADDRESS' : 'SINK_URL';
    warnings.push(`${name} is not https: events and credentials go there unencrypted.`);
  }
  if (sink.kind === 'brigade' && sink.ignoreCertWarnings) {
    warnings.push('API_IGNORE_CERT_WARNINGS is on: whoever poses as Brigade gets its token and the events.');
  }
  return warnings;
}
