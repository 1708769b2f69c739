import { API_VERSION } from '../../brigade/brigade-event.ts';
import { KEY_PATTERN, PROJECT_ID_RULE, SOURCE_RULE, VALUE_RULE } from '../../brigade/field-rules.ts';

// Brigade's schemas in our words. Where Brigade wraps a rule in `allOf` we do too, though it means nothing: it puts one
// more line into the answer to a violation. No `$ref`, because ajv would then not tell which `allOf` a violation was in.

export const apiVersion = { type: 'string', enum: [API_VERSION] };

export function kind(name: string): object {
  return { type: 'string', enum: [name] };
}

const string = { type: 'string' };
const empty = { type: 'string', enum: [''] };

export const identifier = { type: 'string', ...PROJECT_ID_RULE };
export const source = { allOf: [{ type: 'string', ...SOURCE_RULE }] };
export const value = { type: 'string', ...VALUE_RULE };

export function emptyOr(schema: object): object {
  return { oneOf: [empty, schema] };
}

/** An object with no fields but these. */
export function exactly(properties: Readonly<Record<string, object>>, required: readonly string[] = []): object {
  return { type: 'object', required, additionalProperties: false, properties };
}

/** An object with any legal keys. */
export function keyed(values: object): object {
  return { type: 'object', additionalProperties: false, patternProperties: { [KEY_PATTERN]: values } };
}

/** Qualifiers or labels; null is as good as none. */
export const pairs = { ...keyed(value), type: ['object', 'null'] };

/** An object of texts under keys of any kind. */
export const texts = { type: ['object', 'null'], additionalProperties: string };

export const gitDetails = {
  cloneURL: { type: 'string', pattern: String.raw`^(?:(?:(?:https?://)|(?:git@))[\w:/\-\.\?=@&%]+)$` },
  commit: { type: 'string', pattern: '^[a-fA-F0-9]*$', minLength: 8, maxLength: 40 },
  ref: string,
};
