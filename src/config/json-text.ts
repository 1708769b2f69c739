import type { Parsed, ParseIssue } from '../model/parsed.ts';
import { type Place, printableName } from './schema.ts';

export interface JsonText {
  readonly value: unknown;
  /** Of the value at the path, or of the nearest one above it. */
  readonly placeOf: (path: readonly string[]) => Place;
}

/**
 * Reads JSON that a person wrote. Never throws. Unlike `JSON.parse` it reports where the syntax is wrong without quoting
 * the text, rejects a name that appears twice in an object, and knows the line of every value.
 */
export function parseJsonText(text: string): Parsed<JsonText> {
  const offsets = new Map<string, number>();
  const placeAt = placesIn(text);
  const issues: ParseIssue[] = [];
  const scanner = new JsonScanner(text, (path, offset) => {
    const key = JSON.stringify(path);
    if (offsets.has(key)) {
      const message = `\`${printableName(path.at(-1) ?? '')}\` appears more than once`;
      issues.push({ ...placeAt(offset), path: path.slice(0, -1).map(printableName).join('.'), message });
    }
    offsets.set(key, offset);
  });
  const syntaxIssue = scanner.scan();
  if (syntaxIssue !== undefined) {
    const { offset, expected } = syntaxIssue;
    issues.push({ ...placeAt(offset), path: '', message: `the JSON is not valid: expected ${expected}` });
  }
  if (issues.length > 0) return { kind: 'issues', issues };
  const placeOf = (path: readonly string[]): Place => {
    const offset = offsets.get(JSON.stringify(path));
    if (offset === undefined && path.length > 0) return placeOf(path.slice(0, -1));
    return { line: placeAt(offset ?? 0).line };
  };
  return { kind: 'value', value: { value: JSON.parse(text), placeOf } };
}

/** Looks for the lines once, when the first place is asked for. */
function placesIn(text: string): (offset: number) => Required<Place> {
  let starts: readonly number[] | undefined;
  return (offset) => {
    starts ??= [0, ...text.matchAll(/\n/g).map(({ index }) => index + 1)];
    let [low, high] = [0, starts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 };
  };
}

/** Deeper than anything that a person writes, and shallow enough to keep paths short. */
const MAX_DEPTH = 32;

const TOKEN =
  /"[ !#-[\]-\uffff]*(?:\\(?:["\\/bfnrt]|u[\da-fA-F]{4})[ !#-[\]-\uffff]*)*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[{}[\]:,]/y;

interface SyntaxIssue {
  readonly offset: number;
  readonly expected: string;
}

/** Follows the grammar of RFC 8259. Its methods return where the text stops being JSON, and undefined where it is. */
class JsonScanner {
  readonly #text: string;
  /** Called for every name of an object, in order. */
  readonly #onName: (path: readonly string[], offset: number) => void;
  readonly #token = new RegExp(TOKEN);
  /** Of the token that comes next. */
  #offset = 0;
  /** Undefined at the end of the text, and where there is no token. */
  #found: string | undefined;

  constructor(text: string, onName: (path: readonly string[], offset: number) => void) {
    this.#text = text;
    this.#onName = onName;
  }

  scan(): SyntaxIssue | undefined {
    this.#next();
    return this.#value([]) ?? (this.#offset === this.#text.length ? undefined : this.#issue('nothing more'));
  }

  #value(path: readonly string[]): SyntaxIssue | undefined {
    if (this.#found === '{') return this.#items(path, '}');
    if (this.#found === '[') return this.#items(path, ']');
    if (this.#found === undefined || /^[}\]:,]/.test(this.#found)) return this.#issue('a value');
    this.#next();
    return undefined;
  }

  #items(path: readonly string[], close: '}' | ']'): SyntaxIssue | undefined {
    if (path.length === MAX_DEPTH) return this.#issue('less nesting');
    this.#next();
    for (let index = 0; index > 0 || this.#found !== close; index++) {
      const issue = close === '}' ? this.#member(path) : this.#value([...path, String(index)]);
      if (issue !== undefined) return issue;
      if (this.#found === close) break;
      if (this.#found !== ',') return this.#issue(`\`,\` or \`${close}\``);
      this.#next();
    }
    this.#next();
    return undefined;
  }

  #member(path: readonly string[]): SyntaxIssue | undefined {
    if (!this.#found?.startsWith('"')) return this.#issue('a name in double quotes');
    const below = [...path, JSON.parse(this.#found)];
    this.#onName(below, this.#offset);
    this.#next();
    if (this.#found !== ':') return this.#issue('`:`');
    this.#next();
    return this.#value(below);
  }

  #next(): void {
    const blanks = /[ \t\r\n]*/y;
    blanks.lastIndex = this.#offset + (this.#found?.length ?? 0);
    blanks.exec(this.#text);
    this.#offset = blanks.lastIndex;
    this.#token.lastIndex = this.#offset;
    this.#found = this.#token.exec(this.#text)?.[0];
  }

  #issue(expected: string): SyntaxIssue {
    return { offset: this.#offset, expected };
  }
}
