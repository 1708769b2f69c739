import type { Parsed } from '../model/parsed.ts';
import type { Issue } from '../model/webhook.ts';
import { type ParseFiles, parseFiles } from './file-content.ts';
import type { TextType } from './text-types.ts';

/** One thing wrong with the settings. Repeats no secret, and no value that may hold credentials. */
export interface SettingIssue extends Issue {
  /** The variable at fault. */
  readonly key: string;
  /** Where its value came from: `environment`, `default`, or the file that it names and whose content is at fault. */
  readonly source: string;
}

/** Finds what was given for a variable, and where. Several sources in order of precedence make one lookup. */
export type Lookup = (name: string) => { readonly text: string; readonly source: string } | undefined;

/** All there is to say about one variable. */
export interface Variable<T> {
  readonly name: string;
  readonly type: TextType<T>;
  /** One or two sentences: its unit, and what follows from its value. */
  readonly about: string;
  /** Its value is never shown. */
  readonly secret?: boolean;
  /** As a user would write it. */
  readonly default?: string;
}

/** A variable as the reference shows it. */
export interface Row extends Variable<unknown> {
  readonly ifAbsent: string;
}

/** One or several variables that are read as one value. */
export interface Setting<T> {
  readonly rows: readonly Row[];
  /** Tells every issue that can be told at once. Never rejects. */
  readonly read: (lookup: Lookup) => Promise<Parsed<T, SettingIssue>>;
}

/** The value that a setting has once read. */
export type ValueOf<S> = S extends Setting<infer T> ? T : never;

export function optional<T>(variable: Variable<T>): Setting<T | undefined> {
  const { name, type } = variable;
  return {
    rows: [{ ...variable, ifAbsent: shownDefault(variable) }],
    read: async (lookup) => {
      const found = lookup(name) ?? defaultOf(variable);
      if (found === undefined) return { kind: 'value', value: undefined };
      const value = type.parse(found.text);
      if (value !== undefined) return { kind: 'value', value };
      return unfit({ key: name, source: found.source, expected: type.expected, received: shown(variable, found.text) });
    },
  };
}

/** Always has a value, given or its default. */
export function required<T>(variable: Variable<T>): Setting<T> {
  return given(optional(variable), variable.default === undefined ? 'required' : shownDefault(variable));
}

/** Turns the absence of a value into an issue. */
export function given<T>(setting: Setting<T | undefined>, ifAbsent: string): Setting<T> {
  const key = setting.rows.map(({ name }) => name).join(' or ');
  const expected = setting.rows[0]?.type.expected ?? '';
  const strict = checked<T | undefined, T>(setting, (value) =>
    value === undefined
      ? unfit({ key, source: 'environment', expected, received: 'nothing' })
      : { kind: 'value', value },
  );
  return { ...strict, rows: setting.rows.map((row) => ({ ...row, ifAbsent })) };
}

/** Read only where the switch is on. */
export function onlyIf<T>(toggle: Setting<boolean>, setting: Setting<T>): Setting<T | undefined> {
  const ifAbsent = `required with \`${toggle.rows[0]?.name}\``;
  return {
    rows: [...toggle.rows, ...setting.rows.map((row) => ({ ...row, ifAbsent }))],
    read: async (lookup) => {
      const on = await toggle.read(lookup);
      if (on.kind === 'issues') return on;
      return on.value ? setting.read(lookup) : { kind: 'value', value: undefined };
    },
  };
}

/** Reads several settings as one object. */
export function all<V>(parts: { readonly [K in keyof V]: Setting<V[K]> }): Setting<Readonly<V>> {
  const keys = keysOf(parts);
  return {
    rows: keys.flatMap((key) => parts[key].rows),
    read: async (lookup) => {
      const values: Partial<V> = {};
      const issues: SettingIssue[] = [];
      for (const key of keys) {
        const part = await parts[key].read(lookup);
        if (part.kind === 'value') values[key] = part.value;
        else issues.push(...part.issues);
      }
      return isWhole(values, keys) ? { kind: 'value', value: values } : { kind: 'issues', issues };
    },
  };
}

/** A rule about what a setting read, which also decides the final value. */
export function checked<A, B>(
  setting: Setting<A>,
  check: (value: A) => Parsed<B, SettingIssue> | Promise<Parsed<B, SettingIssue>>,
): Setting<B> {
  return {
    rows: setting.rows,
    read: async (lookup) => {
      const read = await setting.read(lookup);
      return read.kind === 'issues' ? read : check(read.value);
    },
  };
}

/** Files that must be there and well-formed already now. No paths: nothing to check. */
export function wellFormed<A>(
  setting: Setting<A>,
  pathsOf: (value: A) => readonly string[],
  parse: ParseFiles<unknown>,
): Setting<A> {
  const key = setting.rows.map(({ name }) => name).join(' and ');
  return checked(setting, async (value) => {
    const paths = pathsOf(value);
    const parsed = paths.length === 0 ? undefined : await parseFiles(paths, parse);
    if (parsed?.kind !== 'issues') return { kind: 'value', value };
    return { kind: 'issues', issues: parsed.issues.map((issue) => ({ ...issue, key, source: paths.join(' and ') })) };
  });
}

export function unfit(issue: Omit<SettingIssue, 'path'>): Parsed<never, SettingIssue> {
  return { kind: 'issues', issues: [{ path: '', ...issue }] };
}

function shownDefault(variable: Variable<unknown>): string {
  return variable.default ? `\`${variable.default}\`` : 'none';
}

function defaultOf(variable: Variable<unknown>): ReturnType<Lookup> {
  return variable.default === undefined ? undefined : { text: variable.default, source: 'default' };
}

/** A URL with credentials in it has an `@` or a query, whichever variable it was given for. */
function shown(variable: Variable<unknown>, text: string): string {
  return variable.secret || /[@?]/.test(text) ? 'a value that is not shown' : JSON.stringify(text.slice(0, 80));
}

function keysOf<V>(parts: { readonly [K in keyof V]: Setting<V[K]> }): readonly Extract<keyof V, string>[] {
  const keys: Extract<keyof V, string>[] = [];
  for (const key in parts) keys.push(key);
  return keys;
}

function isWhole<V>(values: Partial<V>, keys: readonly (keyof V)[]): values is V {
  return keys.every((key) => Object.hasOwn(values, key));
}
