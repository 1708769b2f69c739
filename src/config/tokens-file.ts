import { hash } from 'node:crypto';
import * as v from 'valibot';
import type { Binding } from '../model/caller.ts';
import type { Parsed } from '../model/parsed.ts';
import type { Tokens } from '../model/policy.ts';
import { parseJsonText } from './json-text.ts';
import { actions, callerName, globs, registryName } from './policy.ts';
import { fields, isObject, named, read, text } from './schema.ts';

type TokenEntry = Tokens[number];

/** Of no bytes at all: what a script with an unset variable computes. */
const EMPTY_DIGEST = hash('sha256', '');

/** A header's value never begins or ends with a blank: such a token could not be sent. */
const token = text<Uint8Array>('a token, not empty and without blanks around it', (given) =>
  given !== '' && given === given.trim() ? hash('sha256', given, 'buffer') : undefined,
);

const sha256 = text<Uint8Array>('the SHA-256 of a token, 64 hexadecimal digits', (given) =>
  /^[0-9a-f]{64}$/i.test(given) && given.toLowerCase() !== EMPTY_DIGEST ? Buffer.from(given, 'hex') : undefined,
);

/** The fields of an entry with a token, of which it has one. */
export const TOKEN_FIELDS = { token: v.optional(token), sha256: v.optional(sha256) };

export const ONE_TOKEN = 'either `token` or `sha256` is required, and not both';

const detailed = v.pipe(
  fields({
    ...TOKEN_FIELDS,
    registry: v.optional(registryName),
    repositories: v.optional(globs),
    actions: v.optional(actions),
  }),
  v.partialCheck(
    [['token'], ['sha256']],
    (entry) => (entry.token === undefined) !== (entry.sha256 === undefined),
    ONE_TOKEN,
  ),
  v.transform(({ token: digest, sha256: given, registry, repositories, actions: allowed }) => {
    const binding: Binding = {
      ...(registry !== undefined && { registries: [registry] }),
      ...(repositories !== undefined && { repositories }),
      ...(allowed !== undefined && { actions: allowed }),
    };
    return { digest: digest ?? given ?? new Uint8Array(), binding };
  }),
);

const plain = v.pipe(
  token,
  v.transform((digest) => ({ digest, binding: {} })),
);

const tokensFile = v.pipe(
  named(
    callerName,
    v.lazy((input) => (isObject(input) ? detailed : plain)),
    'a JSON object with a token under each name',
  ),
  v.rawCheck(rejectDuplicates),
  v.transform((entries): Tokens => [...entries].map(toEntry)),
);

/**
 * Reads a tokens file: under each name a token, as in v0.4.1, or `{"token" or "sha256", "registry"?, "repositories"?,
 * "actions"?}`. `{}` is valid and revokes every token.
 *
 * Never throws. Reports every issue, and none repeats a token.
 */
export function parseTokens(content: Uint8Array): Parsed<Tokens> {
  const json = parseJsonText(new TextDecoder().decode(content));
  return json.kind === 'issues' ? json : read(tokensFile, json.value.value, json.value.placeOf);
}

/** Characters of a token below which it may be guessed, and different ones among them. */
const WEAK = { length: 20, characters: 8 };

/** The tokens that a valid file has as they are, not as digests, and whether each could be guessed. */
export function plainTokens(content: Uint8Array): readonly { readonly name: string; readonly isWeak: boolean }[] {
  const json: unknown = JSON.parse(new TextDecoder().decode(content));
  return Object.entries(isObject(json) ? json : {}).flatMap(([name, value]) => {
    const given = isObject(value) ? value['token'] : value;
    if (typeof given !== 'string') return [];
    return [{ name, isWeak: given.length < WEAK.length || new Set(given).size < WEAK.characters }];
  });
}

interface Entry {
  readonly digest: Uint8Array;
  readonly binding: Binding;
}

function toEntry([name, { digest, binding }]: [string, Entry]): TokenEntry {
  return { caller: Object.keys(binding).length === 0 ? { name } : { name, bindings: [binding] }, digest };
}

/** One token under two names would leave open who used it. */
export function rejectDuplicates<T>({ dataset, addIssue }: v.RawCheckContext<Map<string, T>>): void {
  const input: unknown = dataset.value;
  if (!(input instanceof Map)) return;
  const owners = new Map<string, string>();
  for (const [key, value] of input) {
    // Entries with issues of their own have no digest.
    if (!isObject(value) || !(value['digest'] instanceof Uint8Array)) continue;
    const digest = Buffer.from(value['digest']).toString('hex');
    const owner = owners.get(digest);
    const path: [v.MapPathItem] = [{ type: 'map', origin: 'value', input, key, value }];
    if (owner !== undefined) addIssue({ message: `must have a token of its own, not that of ${owner}`, path });
    owners.set(digest, key);
  }
}
