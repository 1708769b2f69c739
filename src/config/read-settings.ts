import type { ParseFiles } from './file-content.ts';
import { type DevSettings, devSettings, type OperatorSettings, operatorSettings } from './other-settings.ts';
import type { Lookup, SettingIssue } from './setting.ts';
import { type Settings, serveSettingsWith } from './settings.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export type SettingsRead<S> =
  | {
      readonly kind: 'settings';
      readonly settings: S;
      /** What works, and should not stay so. Sentences for the log. */
      readonly warnings: readonly string[];
    }
  | { readonly kind: 'issues'; readonly issues: readonly SettingIssue[] };

/** The one place where the environment of this process is looked at. */
export function environment(): Environment {
  return process.env;
}

/** Reads the settings of `serve` and the files that they name; resolves to every issue at once. Never rejects. */
export async function readSettings(
  variables: Environment,
  parseTokens: ParseFiles<unknown>,
): Promise<SettingsRead<Settings>> {
  const read = await serveSettingsWith(parseTokens).read(lookupIn(variables));
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

function warningsAbout({ api }: Settings): readonly string[] {
  const warnings: string[] = [];
  if (api.address.startsWith('http:'))
    warnings.push('API_ADDRESS is not https: the token goes to Brigade unencrypted.');
  if (api.ignoreCertWarnings) {
    warnings.push('API_IGNORE_CERT_WARNINGS is on: whoever poses as Brigade gets its token and the events.');
  }
  return warnings;
}
