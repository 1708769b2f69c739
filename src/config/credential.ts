import type { Parsed } from '../model/parsed.ts';
import { parseFiles } from './file-content.ts';
import { parseSecretFile } from './file-types.ts';
import { all, checked, optional, type Setting, type SettingIssue, unfit, wellFormed } from './setting.ts';
import { path, secretText } from './text-types.ts';

/** A secret: given as it is, or as a file that is to be watched. */
export type Credential =
  | { readonly kind: 'value'; readonly value: string }
  | { readonly kind: 'file'; readonly path: string };

/** A secret in the variable `name`, or in the file that `pathName` names. Both at once are an issue: which one counts? */
export function credential(name: string, pathName: string, about: string): Setting<Credential | undefined> {
  const file = optional({
    name: pathName,
    type: path,
    about: `File that holds \`${name}\`; read again when it changes.`,
  });
  const either = all({
    value: optional({ name, type: secretText, about, secret: true }),
    path: wellFormed(file, (given) => (given === undefined ? [] : [given]), parseSecretFile),
  });
  return checked(either, ({ value, path }): Parsed<Credential | undefined, SettingIssue> => {
    if (value !== undefined && path !== undefined) {
      return unfit({ key: name, source: 'environment', expected: `no ${name} beside ${pathName}`, received: 'both' });
    }
    if (value !== undefined) return { kind: 'value', value: { kind: 'value', value } };
    return { kind: 'value', value: path === undefined ? undefined : { kind: 'file', path } };
  });
}

/** The secret as it is now, for who needs it once. Rejects when its file went bad since the settings were read. */
export async function secretOf(given: Credential): Promise<string> {
  if (given.kind === 'value') return given.value;
  const read = await parseFiles([given.path], parseSecretFile);
  if (read.kind === 'value') return read.value;
  throw new Error(`${given.path}: expected ${read.issues[0]?.expected}`);
}
