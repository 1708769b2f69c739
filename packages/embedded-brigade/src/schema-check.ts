import { Ajv, type ErrorObject } from 'ajv';

/** One violation of a schema, in the words of gojsonschema, with which Brigade validates. */
export interface Violation {
  /** The keys from the root down to the value. */
  readonly path: readonly string[];
  /** The key at `path` that is missing, or that is not allowed. */
  readonly property?: string;
  readonly description: string;
}

export type Checked<T> =
  | { readonly kind: 'valid'; readonly value: T }
  | { readonly kind: 'invalid'; readonly violations: readonly Violation[] };

/** Checks an untrusted value, and reports every violation. */
export type Check<T> = (value: unknown) => Checked<T>;

const ALL_OF = 'brigade:allOf';

/**
 * A schema that Brigade wraps in `allOf`. The wrapper allows and forbids nothing, but gojsonschema adds a line for it to the
 * answer. JSON Schema's own `allOf` would not do: ajv reports no error for it.
 */
export function allOf(schema: object): object {
  return { [ALL_OF]: schema };
}

/** `T` must be what the schema describes. */
export function schemaCheck<T>(schema: object): Check<T> {
  const ajv = new Ajv({ allErrors: true, verbose: true, allowUnionTypes: true });
  ajv.addKeyword({ keyword: ALL_OF, macro: (wrapped: object) => wrapped });
  const validate = ajv.compile<T>(schema);
  return (value) =>
    validate(value) ? { kind: 'valid', value } : { kind: 'invalid', violations: inGoWords(validate.errors ?? []) };
}

/** A violation as a line of Brigade's `details`. */
export function detail({ path, description }: Violation): string {
  return `${path.join('.') || '(root)'}: ${description}`;
}

const DESCRIBE: Readonly<Record<string, (error: ErrorObject) => string>> = {
  required: ({ params }) => `${params['missingProperty']} is required`,
  additionalProperties: ({ params }) => `Additional property ${params['additionalProperty']} is not allowed`,
  type: ({ params, data }) => `Invalid type. Expected: ${params['type']}, given: ${typeName(data)}`,
  minLength: ({ params }) => `String length must be greater than or equal to ${params['limit']}`,
  maxLength: ({ params }) => `String length must be less than or equal to ${params['limit']}`,
  pattern: ({ params }) => `Does not match pattern '${params['pattern']}'`,
  minItems: ({ params }) => `Array must have at least ${params['limit']} items`,
  enum: ({ params, instancePath }) =>
    `${keysOf(instancePath).join('.')} must be one of the following: ${quoted(params)}`,
  oneOf: () => 'Must validate one and only one schema (oneOf)',
  [ALL_OF]: () => 'Must validate all the schemas (allOf)',
};

function inGoWords(errors: readonly ErrorObject[]): readonly Violation[] {
  const mistyped = new Set(errors.filter(({ keyword }) => keyword === 'type').map(({ instancePath }) => instancePath));
  return (
    errors
      // If every alternative fails, gojsonschema explains the closest, and the first of equals. Ours are `''` and something
      // else: the first always has one error, the other never fewer.
      .filter(({ schemaPath }) => !/\/oneOf\/[1-9]/.test(schemaPath))
      // gojsonschema reports nothing more for a value of the wrong type.
      .filter(({ keyword, instancePath }) => keyword !== 'enum' || !mistyped.has(instancePath))
      .map(describe)
  );
}

function describe(error: ErrorObject): Violation {
  const { missingProperty, additionalProperty } = error.params;
  const property: unknown = missingProperty ?? additionalProperty;
  return {
    path: keysOf(error.instancePath),
    ...(typeof property === 'string' && { property }),
    description: DESCRIBE[error.keyword]?.(error) ?? `Fails ${error.keyword}`,
  };
}

/** The keys of a JSON pointer. */
function keysOf(pointer: string): readonly string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function quoted({ allowedValues }: ErrorObject['params']): string {
  const values: readonly unknown[] = allowedValues;
  return values.map((value) => JSON.stringify(value)).join(', ');
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (Number.isInteger(value)) return 'integer';
  return typeof value;
}
