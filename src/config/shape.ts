import type { Issue } from '../model/webhook.ts';
import type { TextType } from './text-types.ts';

/** How a value of the configuration file is read. Values are those of JSON, but a mapping is a `Map`. */
export interface Shape<T> {
  /** Completes "expected …". */
  readonly expected: string;
  /** Undefined where something was wrong, which it then complained of. */
  readonly read: (value: unknown, path: Path, complain: Complain) => T | undefined;
  /** What the reference tells of the fields below it. */
  readonly rows: readonly FieldRow[];
}

export type Path = readonly string[];

/** Takes down one thing that is wrong; gives undefined, so that a reader can return it. */
export type Complain = (path: Path, issue: Omit<Issue, 'path'>) => undefined;

interface FieldRow {
  /** Dotted; `[]` stands for every item of a list, `*` for every key. */
  readonly path: string;
  readonly about: string;
  readonly ifAbsent: string;
  readonly expected: string;
}

interface Field<T> {
  readonly shape: Shape<T>;
  readonly about: string;
  readonly ifAbsent: string;
  /** Undefined where it has to be there. */
  readonly default: (() => T) | undefined;
}

/** A field that has to be there. */
export function must<T>(shape: Shape<T>, about: string): Field<T> {
  return { shape, about, ifAbsent: 'required', default: undefined };
}

export function may<T>(shape: Shape<T>, about: string, ifAbsent = 'none'): Field<T | undefined> {
  return { shape, about, ifAbsent, default: () => undefined };
}

/** What a text in quotes and one without them may be: numbers are read as they are written. */
export function scalar<T>({ expected, parse }: TextType<T>): Shape<T> {
  return {
    expected,
    rows: [],
    read: (value, path, complain) => {
      const parsed = typeof value === 'string' ? parse(value.trim()) : undefined;
      return parsed ?? complain(path, { expected, received: describe(value) });
    },
  };
}

export const truth: Shape<boolean> = {
  expected: '`true` or `false`',
  rows: [],
  read: (value, path, complain) =>
    value === 'true' || value === 'false'
      ? value === 'true'
      : complain(path, { expected: truth.expected, received: describe(value) }),
};

/** A list that is not empty: an empty one would match or allow nothing, which nobody means. */
export function listOf<T>(item: Shape<T>): Shape<readonly T[]> {
  const expected = `a list, not empty, each ${item.expected}`;
  return {
    expected,
    rows: item.rows.map((row) => ({ ...row, path: `[].${row.path}` })),
    read: (value, path, complain) => {
      if (!Array.isArray(value) || value.length === 0) return complain(path, { expected, received: describe(value) });
      const items = value.map((each: unknown, index) => item.read(each, [...path, String(index)], complain));
      const read = items.filter((each) => each !== undefined);
      return read.length === items.length ? read : undefined;
    },
  };
}

/** A mapping whose keys are names that the user gives. */
export function mapOf<T>(name: TextType<string>, item: Shape<T>): Shape<ReadonlyMap<string, T>> {
  const expected = 'a mapping';
  return {
    expected,
    rows: item.rows.map((row) => ({ ...row, path: `*.${row.path}` })),
    read: (value, path, complain) => {
      if (!(value instanceof Map)) return complain(path, { expected, received: describe(value) });
      const read = new Map<string, T>();
      for (const [key, each] of value) {
        const at = [...path, String(key)];
        if (name.parse(String(key)) === undefined) complain(at, { expected: name.expected, received: 'another name' });
        const one = item.read(each, at, complain);
        if (one !== undefined) read.set(String(key), one);
      }
      return read;
    },
  };
}

/** A mapping with these keys and no others. */
export function record<V>(fields: { readonly [K in keyof V]: Field<V[K]> }): Shape<Readonly<V>> {
  const names = keysOf(fields);
  const expected = `a mapping with ${names.join(', ')}`;
  return {
    expected,
    rows: names.flatMap((name) => rowsOf(name, fields[name])),
    read: (value, path, complain) => {
      if (!(value instanceof Map)) return complain(path, { expected, received: describe(value) });
      for (const key of value.keys()) {
        if (!names.some((name) => name === key)) {
          complain([...path, String(key)], { expected: `one of ${names.join(', ')}`, received: 'another name' });
        }
      }
      const read: Partial<V> = {};
      for (const name of names) readField(read, name, fields[name], value, { path, complain });
      return isWhole(read, names) ? read : undefined;
    },
  };
}

/** A rule about what was read, which also decides the final value. */
export function refined<A, B>(
  shape: Shape<A>,
  refine: (value: A, path: Path, complain: Complain) => B | undefined,
): Shape<B> {
  return {
    ...shape,
    read: (value, path, complain) => {
      const read = shape.read(value, path, complain);
      return read === undefined ? undefined : refine(read, path, complain);
    },
  };
}

function readField<V, K extends Extract<keyof V, string>>(
  into: Partial<V>,
  name: K,
  field: Field<V[K]>,
  from: ReadonlyMap<unknown, unknown>,
  at: { readonly path: Path; readonly complain: Complain },
): void {
  const { shape } = field;
  if (!from.has(name)) {
    if (field.default !== undefined) into[name] = field.default();
    else at.complain([...at.path, name], { expected: shape.expected, received: 'nothing' });
    return;
  }
  const read = shape.read(from.get(name), [...at.path, name], at.complain);
  if (read !== undefined) into[name] = read;
}

function rowsOf(name: string, { shape, about, ifAbsent }: Field<unknown>): readonly FieldRow[] {
  const below = shape.rows.map((row) => ({ ...row, path: `${name}.${row.path}`.replaceAll('.[]', '[]') }));
  return [{ path: name, about, ifAbsent, expected: shape.expected }, ...below];
}

/** Never the value itself, which may be a secret that stands in the wrong place. */
function describe(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (value instanceof Map) return 'a mapping';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  return value === '' ? 'an empty text' : 'something else';
}

function keysOf<V>(fields: { readonly [K in keyof V]: Field<V[K]> }): readonly Extract<keyof V, string>[] {
  const keys: Extract<keyof V, string>[] = [];
  for (const key in fields) keys.push(key);
  return keys;
}

function isWhole<V>(values: Partial<V>, keys: readonly (keyof V)[]): values is V {
  return keys.every((key) => Object.hasOwn(values, key));
}
