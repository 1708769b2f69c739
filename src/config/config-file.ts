import * as v from 'valibot';
import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Parsed, ParseIssue } from '../model/parsed.ts';
import type { Policy } from '../model/policy.ts';
import { contradictionsIn, policyFields, toPolicy } from './policy.ts';
import { fields, optional, read, textThat } from './schema.ts';
import { SERVE_VARIABLES } from './variables.ts';

/** The text of a setting, and the line that it is on. */
interface FileSetting {
  readonly text: string;
  readonly line: number | undefined;
}

export interface ConfigFile {
  /** By the names of their variables. */
  readonly settings: ReadonlyMap<string, FileSetting>;
  readonly policy: Policy;
}

const word = textThat('a text', (given) => given !== '');

/** As the variable would have it: a list is one with commas. */
const settingText = v.lazy((input) =>
  Array.isArray(input)
    ? v.pipe(
        v.array(word),
        v.nonEmpty('must be a text, or a list of texts that is not empty'),
        v.transform((items) => items.join(',')),
      )
    : word,
);

const settingNames = Object.keys(SERVE_VARIABLES).filter((name) => name !== 'CONFIG_PATH');

const settings = fields(Object.fromEntries(settingNames.map((name) => [name, v.optional(settingText)])));

export const configFile = fields({
  settings: optional(settings, 'Settings of `serve`, by the names of their variables.', {
    expected: 'an object',
    isLeaf: true,
  }),
  ...policyFields,
});

/**
 * Reads a configuration file in YAML. Every value is read as the text that is there: `no` is a text, and so is `010`.
 * Never throws; reports every issue with its line, and none repeats a value.
 */
export function parseConfigFile(content: Uint8Array): Parsed<ConfigFile> {
  const lines = new LineCounter();
  const document = parseYaml(new TextDecoder().decode(content), lines);
  if (document === undefined) return issue({ path: '', message: 'the YAML nests too deeply' });
  if (document.errors.length > 0) {
    return { kind: 'issues', issues: document.errors.map((error) => syntaxIssue(error, lines)) };
  }
  const plain = toPlain(document);
  if (plain === undefined) return issue({ path: '', message: 'an alias has no anchor, or there are too many aliases' });
  const placeOf = (path: readonly string[]) => ({ line: lines.linePos(offsetOf(document, path)).line });
  const file = read(configFile, plain.value, placeOf);
  if (file.kind === 'issues') return file;
  const { settings: given = {}, ...parts } = file.value;
  const policy = toPolicy(parts);
  const contradictions = contradictionsIn(policy);
  if (contradictions.length > 0) {
    const issues = contradictions.map(({ path, message }) => ({ ...placeOf(path), path: path.join('.'), message }));
    return { kind: 'issues', issues };
  }
  const texts = Object.entries(given).flatMap(([name, text]): readonly [string, FileSetting][] =>
    typeof text === 'string' ? [[name, { text, ...placeOf(['settings', name]) }]] : [],
  );
  return { kind: 'value', value: { settings: new Map(texts), policy } };
}

/** Undefined for a text whose nesting overflows the parser's stack. */
function parseYaml(text: string, lineCounter: LineCounter): Document | undefined {
  try {
    return parseDocument(text, { schema: 'failsafe', lineCounter, prettyErrors: false });
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Undefined where aliases multiply without bounds. */
function toPlain(document: Document): { readonly value: unknown } | undefined {
  try {
    return { value: document.toJS({ reviver: (_, value) => (typeof value === 'string' ? value.trim() : value) }) };
  } catch (error) {
    if (error instanceof ReferenceError || error instanceof RangeError) return undefined;
    throw error;
  }
}

function syntaxIssue({ pos, code }: Document['errors'][number], lines: LineCounter): ParseIssue {
  const { line, col: column } = lines.linePos(pos[0]);
  const reason =
    code === 'DUPLICATE_KEY' ? 'a name appears more than once' : `the YAML is not valid: ${reasonOf(code)}`;
  return { line, column, path: '', message: reason };
}

/** The parser's own message may quote the file. */
function reasonOf(code: string): string {
  return code.toLowerCase().replaceAll('_', ' ');
}

function issue(one: ParseIssue): Parsed<never> {
  return { kind: 'issues', issues: [one] };
}

/** Where the deepest part of the path that is there begins. */
function offsetOf(document: Document, path: readonly string[]): number {
  if (path.length === 0) return 0;
  const name = path.at(-1);
  const parent: unknown = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  const keyOrItem: unknown = isMap(parent)
    ? parent.items.find(({ key }) => isScalar(key) && key.value === name)?.key
    : isSeq(parent)
      ? parent.items[Number(name)]
      : undefined;
  return (isNode(keyOrItem) ? keyOrItem.range?.[0] : undefined) ?? offsetOf(document, path.slice(0, -1));
}
