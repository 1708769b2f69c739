/**
 * Which texts Brigade 2.6.0 accepts in a field of an event. Brigade's regular expressions are RE2, whose `\w` and `\d` match
 * ASCII only, as JavaScript's do. The names are those of JSON Schema, so that a rule can be spread into a schema.
 */
export interface FieldRule {
  readonly pattern: string;
  /** In characters (code points). */
  readonly minLength: number;
  readonly maxLength: number;
}

/** `source` of an event or a subscription. */
export const SOURCE_RULE: FieldRule = { pattern: String.raw`^[\w:/\-\.\?=@]*$`, minLength: 5, maxLength: 63 };

/** `type`, and every value of a label or a qualifier. An empty value is illegal. */
export const VALUE_RULE: FieldRule = { pattern: String.raw`^[\w:/\-\.\?=\*]*$`, minLength: 1, maxLength: 255 };

/** The same before Brigade v2.6.0, which accepted 63 characters only. */
export const OLD_VALUE_RULE: FieldRule = { ...VALUE_RULE, maxLength: 63 };

export const PROJECT_ID_RULE: FieldRule = { pattern: String.raw`^[a-z][a-z\d-]*[a-z\d]$`, minLength: 3, maxLength: 63 };

/** Keys of labels, qualifiers and source state: two characters or more, without an upper limit. */
export const KEY_PATTERN = String.raw`^[a-zA-Z][a-zA-Z\d-]*[a-zA-Z\d]$`;

/** In characters. */
export const SHORT_TITLE_MAX_LENGTH = 50;
export const LONG_TITLE_MAX_LENGTH = 100;

const MATCHERS: ReadonlyMap<string, RegExp> = new Map(
  [SOURCE_RULE, VALUE_RULE, PROJECT_ID_RULE].map(({ pattern }) => [pattern, new RegExp(pattern)]),
);

export function fits({ pattern, minLength, maxLength }: FieldRule, text: string): boolean {
  // The patterns accept ASCII only, so a text that matches has as many characters as UTF-16 units.
  if (text.length < minLength || text.length > maxLength) return false;
  return (MATCHERS.get(pattern) ?? new RegExp(pattern)).test(text);
}
