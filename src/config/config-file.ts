import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Parsed } from '../model/parsed.ts';
import type { Policy } from '../model/policy.ts';
import type { Issue } from '../model/webhook.ts';
import { policyFields, toPolicy } from './policy-shape.ts';
import { serveSettings } from './settings.ts';
import { type Complain, listOf, mapOf, may, type Path, record, refined, type Shape, scalar } from './shape.ts';

/** The text of a setting, and the line on which it stands. */
export interface FiledSetting {
  readonly text: string;
  readonly line: number;
}

export interface ConfigFile {
  /** By the names of their variables. */
  readonly settings: ReadonlyMap<string, FiledSetting>;
  readonly policy: Policy;
}

/** Every variable but the one that leads to the file. */
const NAMES: ReadonlySet<string> = new Set(
  serveSettings.rows.map(({ name }) => name).filter((name) => name !== 'CONFIG_PATH'),
);

const word = scalar<string>({ expected: 'a text', parse: (text) => (text === '' ? undefined : text) });

/** As the variable would have it: a list is one with commas. */
const settingText: Shape<string> = {
  expected: 'a text, or a list of texts',
  rows: [],
  read: (value, path, complain) =>
    Array.isArray(value) ? listOf(word).read(value, path, complain)?.join(',') : word.read(value, path, complain),
};

const settingName = {
  expected: 'the name of a setting of `serve`',
  parse: (text: string) => (NAMES.has(text) ? text : undefined),
};

export const configFile = record({
  settings: may(mapOf(settingName, settingText), 'Settings of `serve`, by the names of their variables.'),
  ...policyFields,
});

/**
 * Reads a configuration file. YAML, of which every value is read as the text that stands there: `no` is a text, and so is
 * `010`. Never throws; tells every issue with its line, and none repeats what the file says.
 */
export function parseConfigFile(content: Uint8Array): Parsed<ConfigFile> {
  const lines = new LineCounter();
  const text = new TextDecoder().decode(content);
  const document = parseDocument(text, { schema: 'failsafe', lineCounter: lines, prettyErrors: false });
  const issues: Issue[] = document.errors.map(({ pos, code }) => ({
    path: `line ${lines.linePos(pos[0]).line}`,
    expected: 'YAML',
    received: code.toLowerCase().replaceAll('_', ' '),
  }));
  if (issues.length > 0) return { kind: 'issues', issues };
  const lineOf = (path: Path) => lines.linePos(offsetOf(document, path)).line;
  const complain: Complain = (path, issue) => {
    issues.push({ path: [`line ${lineOf(path)}`, path.join('.')].filter(Boolean).join(': '), ...issue });
    return undefined;
  };
  const file = wholeFile(lineOf).read(jsonOf(document), [], complain);
  return file === undefined || issues.length > 0 ? { kind: 'issues', issues } : { kind: 'value', value: file };
}

function wholeFile(lineOf: (path: Path) => number): Shape<ConfigFile> {
  return refined(configFile, ({ settings = new Map<string, string>(), ...parts }, _, complain) => ({
    settings: new Map(
      [...settings].map(([name, text]): [string, FiledSetting] => [name, { text, line: lineOf(['settings', name]) }]),
    ),
    policy: toPolicy(parts, complain),
  }));
}

/** Undefined for aliases that multiply without bounds, and for an empty file. */
function jsonOf(document: Document): unknown {
  try {
    return document.toJS({ mapAsMap: true });
  } catch {
    return undefined;
  }
}

/** Where the deepest part of the path that is there begins. */
function offsetOf(document: Document, path: Path): number {
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
