import { hash } from 'node:crypto';
import type { Binding, Caller } from '../model/caller.ts';
import { isCallerName, isGlob, isRegistryName } from '../model/names.ts';
import type { Parsed } from '../model/parsed.ts';
import { ACTIONS, type Action } from '../model/registry-event.ts';
import type { Issue } from '../model/webhook.ts';

/** A caller, and the SHA-256 of the token that proves to be him. */
interface TokenEntry {
  readonly caller: Caller;
  readonly digest: Uint8Array;
}

/** What a tokens file says. Holds no token. Empty: nobody may send anything. */
export type Tokens = readonly TokenEntry[];

/** Takes down one thing that is wrong; gives undefined, so that a reader can return it. */
type Complain = (path: string, expected: string, received: string) => undefined;

const FIELDS = ['token', 'sha256', 'registry', 'repositories', 'actions'];
/** Of no bytes at all: what a script with an unset variable computes. */
const EMPTY_DIGEST = hash('sha256', '');

/**
 * Reads a tokens file: under each name a token, as in v0.4.1, or `{"token" or "sha256", "registry"?, "repositories"?,
 * "actions"?}`. `{}` is valid and revokes everybody.
 *
 * Never throws. Tells every issue, and none repeats a token.
 */
export function parseTokens(content: Uint8Array): Parsed<Tokens> {
  const issues: Issue[] = [];
  const complain: Complain = (path, expected, received) => {
    issues.push({ path, expected, received });
    return undefined;
  };
  const tokens = Object.entries(readJson(content, complain)).flatMap(([name, value], index) => {
    const label = isCallerName(name) ? name : `name ${index + 1}`;
    if (label !== name) complain(label, 'a name of 1 to 128 printable characters', 'another');
    const entry = readEntry(label, value, complain);
    return entry === undefined ? [] : [entry];
  });
  rejectDuplicates(tokens, complain);
  return issues.length > 0 ? { kind: 'issues', issues } : { kind: 'value', value: tokens };
}

function readJson(content: Uint8Array, complain: Complain): object {
  const expected = 'a JSON object with a token under each name';
  try {
    const json: unknown = JSON.parse(new TextDecoder().decode(content));
    return isObject(json) ? json : (complain('', expected, kindOf(json)) ?? {});
  } catch {
    // The parser's own message quotes the file, and so perhaps a token.
    return complain('', expected, 'no JSON') ?? {};
  }
}

function readEntry(name: string, value: unknown, complain: Complain): TokenEntry | undefined {
  if (!isObject(value)) {
    const digest = digestOf(value, name, complain);
    return digest && { caller: { name }, digest };
  }
  const fields = new Map<string, unknown>(Object.entries(value));
  if ([...fields.keys()].some((field) => !FIELDS.includes(field))) {
    complain(name, `nothing but ${FIELDS.join(', ')}`, 'something else as well');
  }
  const digest = readDigest(fields, name, complain);
  const binding = readBinding(fields, name, complain);
  return digest && { caller: Object.keys(binding).length === 0 ? { name } : { name, bindings: [binding] }, digest };
}

function readDigest(fields: ReadonlyMap<string, unknown>, name: string, complain: Complain): Uint8Array | undefined {
  if (fields.has('token') === fields.has('sha256')) {
    return complain(name, 'either token or sha256', fields.has('token') ? 'both' : 'neither');
  }
  if (fields.has('token')) return digestOf(fields.get('token'), `${name}.token`, complain);
  const digest = fields.get('sha256');
  const sound = typeof digest === 'string' && /^[0-9a-f]{64}$/i.test(digest) && digest.toLowerCase() !== EMPTY_DIGEST;
  if (sound) return Buffer.from(digest, 'hex');
  return complain(`${name}.sha256`, 'the SHA-256 of a token, 64 hexadecimal digits', kindOf(digest));
}

/** A header's value never begins or ends with blanks: such a token could not be sent. */
function digestOf(token: unknown, path: string, complain: Complain): Uint8Array | undefined {
  const sound = typeof token === 'string' && token !== '' && token === token.trim();
  if (sound) return hash('sha256', token, 'buffer');
  return complain(path, 'a token, not empty and without blanks around it', kindOf(token));
}

function readBinding(fields: ReadonlyMap<string, unknown>, name: string, complain: Complain): Binding {
  const read = <T>(field: string, type: FieldType<T>): T | undefined => {
    if (!fields.has(field)) return undefined;
    const value = fields.get(field);
    return type.is(value) ? value : complain(`${name}.${field}`, type.expected, kindOf(value));
  };
  const registry = read('registry', registryName);
  const repositories = read('repositories', globs);
  const actions = read('actions', actionNames);
  return {
    ...(registry && { registries: [registry] }),
    ...(repositories && { repositories }),
    ...(actions && { actions }),
  };
}

interface FieldType<T> {
  readonly expected: string;
  readonly is: (value: unknown) => value is T;
}

const registryName: FieldType<string> = {
  expected: 'the login server of a registry, without a scheme, `:443` and a dot at the end',
  is: (value): value is string => typeof value === 'string' && isRegistryName(value),
};

const globs: FieldType<readonly string[]> = {
  expected: 'a list of globs, not empty: letters, digits and `._-/*`, at most 256 each',
  is: (value): value is readonly string[] => isListOf(value, (item) => typeof item === 'string' && isGlob(item)),
};

const actionNames: FieldType<readonly Action[]> = {
  expected: `a list, not empty, of ${ACTIONS.join(', ')}`,
  is: (value): value is readonly Action[] => isListOf(value, (item) => ACTIONS.some((action) => action === item)),
};

/** An empty list would hold a caller to nothing at all; whoever means that takes his token away. */
function isListOf(value: unknown, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.length > 0 && value.every(isItem);
}

/** One token under two names would leave open who has sent a webhook. */
function rejectDuplicates(tokens: Tokens, complain: Complain): void {
  const owners = new Map<string, string>();
  for (const { caller, digest } of tokens) {
    const key = Buffer.from(digest).toString('hex');
    const owner = owners.get(key);
    if (owner !== undefined) complain(caller.name, 'a token of its own', `the token of ${owner}`);
    owners.set(key, caller.name);
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === '') return 'an empty text';
  if (typeof value === 'string') return 'another text';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'another list';
  return value === null ? 'null' : `a value of type ${typeof value}`;
}
