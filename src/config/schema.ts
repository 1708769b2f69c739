import * as v from 'valibot';
import type { Parsed, ParseIssue } from '../model/parsed.ts';

/** How a text is read: a variable, or a value of a file. */
export type Text<T> = v.GenericSchema<string, T>;

/** What the reference says about a field. */
export interface Notes {
  /** One or two sentences: its unit, and what follows from its value. */
  readonly about: string;
  readonly ifAbsent: string;
  /** Completes "must be …". */
  readonly expected: string;
  /** Its text when it is not set. */
  readonly byDefault?: string;
  /** It is never shown. */
  readonly isSecret?: boolean;
  /** The reference explains its parts elsewhere. */
  readonly isLeaf?: boolean;
}

type Path = readonly string[];

/** Reads a text that `parse` takes; for any other it returns undefined. `expected` completes "must be …". */
export function text<T>(expected: string, parse: (text: string) => T | undefined): Text<T> {
  const message = `must be ${expected}`;
  return v.pipe(
    v.string(message),
    v.rawTransform<string, T>(({ dataset, addIssue, NEVER }) => {
      const value = parse(dataset.value);
      if (value !== undefined) return value;
      addIssue({ message });
      return NEVER;
    }),
    v.metadata({ expected }),
  );
}

export function textThat(expected: string, isFit: (text: string) => boolean): Text<string> {
  return text(expected, (given) => (isFit(given) ? given : undefined));
}

export function oneOf<const T extends string>(values: readonly T[]): Text<T> {
  const expected = `one of ${values.map((value) => `\`${value}\``).join(', ')}`;
  return v.pipe(
    text(expected, (given) => values.find((value) => value === given)),
    v.metadata({ expected, enum: values }),
  );
}

/** A list that is not empty: an empty one would match or allow nothing. */
export function listOf<I, T>(item: v.GenericSchema<I, T>): v.GenericSchema<readonly I[], readonly T[]> {
  const expected = `a list, not empty, each ${notesOf(item).expected}`;
  const message = `must be ${expected}`;
  return v.pipe(v.array(item, message), v.nonEmpty(message), v.metadata({ expected }));
}

/** An object with these fields and no others. */
export function fields<const E extends v.ObjectEntries>(entries: E) {
  const names = Object.keys(entries);
  const expected = `an object with ${names.join(', ')}`;
  return v.pipe(
    v.custom<Readonly<Record<string, unknown>>>(isObject, `must be ${expected}`),
    v.looseObject(entries, ({ path }) => `\`${path?.[0].key}\` is required`),
    v.rawCheck(({ dataset: { value: input }, addIssue }) => {
      if (!isObject(input)) return;
      for (const [key, value] of Object.entries(input)) {
        if (names.includes(key)) continue;
        addIssue({
          message: unknownField(key, names),
          path: [{ type: 'object', origin: 'key', input, key, value }],
        });
      }
    }),
    v.metadata({ expected }),
  );
}

/** An object whose keys are names that the user chooses. */
export function named<T>(name: Text<string>, item: v.GenericSchema<unknown, T>, expected = 'an object') {
  return v.pipe(
    v.custom<Readonly<Record<string, unknown>>>(isObject, `must be ${expected}`),
    v.transform((input) => new Map(Object.entries(input))),
    v.map(
      v.pipe(
        v.string(),
        v.check((key) => v.is(name, key), `each name must be ${notesOf(name).expected}`),
      ),
      item,
    ),
    v.metadata({ expected }),
  );
}

/** A field that may be absent. */
export function optional<S extends v.GenericSchema>(schema: S, about: string, notes: Partial<Notes> = {}) {
  return v.pipe(v.optional(schema), v.metadata({ ...notesOf(schema), about, ifAbsent: 'none', ...notes }));
}

export function required<S extends v.GenericSchema>(schema: S, about: string, notes: Partial<Notes> = {}) {
  return v.pipe(schema, v.metadata({ about, ifAbsent: 'required', ...notes }));
}

export function notesOf(schema: v.GenericSchema | v.GenericSchemaAsync): Notes {
  return { about: '', ifAbsent: '', expected: '', ...v.getMetadata(schema) };
}

/** Where a value is in a file; both count from 1. */
export interface Place {
  readonly line?: number;
  readonly column?: number;
}

/** Reports every issue in the order of the file, each with its place where `placeOf` knows it. */
export function read<T>(
  schema: v.GenericSchema<unknown, T>,
  input: unknown,
  placeOf: (path: Path) => Place = () => ({}),
): Parsed<T> {
  const { success, output, issues } = v.safeParse(schema, input);
  if (success) return { kind: 'value', value: output };
  const found = issues.map((issue) => ({ ...placeOf(pathOf(issue)), ...toIssue(issue) }));
  return { kind: 'issues', issues: found.toSorted((one, other) => (one.line ?? 0) - (other.line ?? 0)) };
}

function pathOf({ path }: v.BaseIssue<unknown>): Path {
  return (path ?? []).map(({ key }) => String(key));
}

/** The message about a name contains that name, so that the path ends above it. */
export function toIssue(issue: v.BaseIssue<unknown>): Pick<ParseIssue, 'path' | 'message'> {
  const path = pathOf(issue);
  const isAboutName = issue.path?.at(-1)?.origin === 'key';
  return { path: (isAboutName ? path.slice(0, -1) : path).map(printableName).join('.'), message: issue.message };
}

/** `gateway.yaml:3:7: rules.0: must be …` */
export function formatIssue({ file, line, column, path, message }: ParseIssue): string {
  const place = [file, file === undefined && line !== undefined ? `line ${line}` : line, column];
  return [place.filter((part) => part !== undefined).join(':'), path, message].filter(Boolean).join(': ');
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A name must not control the terminal that it is printed on, or fill it. */
export function printableName(name: string): string {
  return /^\P{C}{1,128}$/u.test(name) ? name : '(unprintable name)';
}

/** A long name may be a token in the wrong place: it is not repeated. */
function unknownField(name: string, known: readonly string[]): string {
  const similar = closest(name, known);
  if (similar !== undefined) return `\`${name}\` is not a known field; did you mean \`${similar}\`?`;
  const shown = /^[A-Za-z]\w{0,19}$/.test(name) ? `\`${name}\`` : 'one of the fields';
  return `${shown} is not a known field; known are ${known.map((each) => `\`${each}\``).join(', ')}`;
}

/** The known name that takes the fewest edits, if one takes at most one, or two where it is long. */
function closest(name: string, known: readonly string[]): string | undefined {
  const similar = known.flatMap((each) => {
    const most = each.length > 5 ? 2 : 1;
    if (Math.abs(each.length - name.length) > most) return [];
    const edits = editsBetween(each.toLowerCase(), name.toLowerCase());
    return edits > most ? [] : [{ each, edits }];
  });
  return similar.toSorted((one, other) => one.edits - other.edits)[0]?.each;
}

/** Letters added, left out or changed, or neighbours swapped (the distance of Damerau and Levenshtein). */
function editsBetween(one: string, other: string): number {
  const rows = [Array.from({ length: other.length + 1 }, (_, column) => column)];
  for (let row = 1; row <= one.length; row++) {
    const line = [row];
    for (let column = 1; column <= other.length; column++) {
      const isSame = one[row - 1] === other[column - 1];
      const isSwap = one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      line[column] = Math.min(
        (rows[row - 1]?.[column] ?? 0) + 1,
        (line[column - 1] ?? 0) + 1,
        (rows[row - 1]?.[column - 1] ?? 0) + (isSame ? 0 : 1),
        isSwap ? (rows[row - 2]?.[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    rows.push(line);
  }
  return rows.at(-1)?.at(-1) ?? 0;
}
