/**
 * What Brigade 2.6.0 takes in the fields of an event. Its regular expressions are RE2, whose `\w` and `\d` are ASCII, as
 * JavaScript's are. The names are those of JSON Schema, so that a rule can be spread into one.
 */
export interface FieldRule {
  readonly pattern: string;
  /** In characters (code points). */
  readonly minLength: number;
  readonly maxLength: number;
}

/** `source` of an event or a subscription. */
export const SOURCE_RULE: FieldRule = { pattern: String.raw`^[\w:/\-\.\?=@]*$`, minLength: 5, maxLength: 63 };

/** `type`, and every value of a label or a qualifier: an empty one is illegal. */
export const VALUE_RULE: FieldRule = { pattern: String.raw`^[\w:/\-\.\?=\*]*$`, minLength: 1, maxLength: 255 };

/** Before v2.6.0 the values of `VALUE_RULE` had to be this short. */
export const OLD_VALUE_RULE: FieldRule = { ...VALUE_RULE, maxLength: 63 };

export const PROJECT_ID_RULE: FieldRule = { pattern: String.raw`^[a-z][a-z\d-]*[a-z\d]$`, minLength: 3, maxLength: 63 };

/** Keys of labels, qualifiers and source state: at least two characters, of any length. */
export const KEY_PATTERN = String.raw`^[a-zA-Z][a-zA-Z\d-]*[a-zA-Z\d]$`;

/** In characters. */
export const SHORT_TITLE_MAX_LENGTH = 50;
export const LONG_TITLE_MAX_LENGTH = 100;

const MATCHERS: ReadonlyMap<string, RegExp> = new Map(
  [SOURCE_RULE, VALUE_RULE, PROJECT_ID_RULE].map(({ pattern }) => [pattern, new RegExp(pattern)]),
);

export function fits({ pattern, minLength, maxLength }: FieldRule, text: string): boolean {
  // The patterns admit ASCII alone, so that what passes them has as many characters as UTF-16 units.
  if (text.length < minLength || text.length > maxLength) return false;
  return (MATCHERS.get(pattern) ?? new RegExp(pattern)).test(text);
}
