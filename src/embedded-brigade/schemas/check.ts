import { Ajv, type ErrorObject } from 'ajv';

/** One thing that a schema forbids, in the words of gojsonschema, which Brigade validates with. */
export interface Violation {
  /** Where: the keys from the root down. */
  readonly path: readonly string[];
  /** The key that is missing or too many at `path`. */
  readonly property?: string;
  readonly description: string;
}

export type Checked<T> =
  | { readonly kind: 'valid'; readonly value: T }
  | { readonly kind: 'invalid'; readonly violations: readonly Violation[] };

/** A check of untrusted values that reports every violation. `T` has to be what the schema describes. */
export function schemaCheck<T>(schema: object): (value: unknown) => Checked<T> {
  const validate = new Ajv({ allErrors: true, verbose: true, allowUnionTypes: true }).compile<T>(schema);
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
};

function inGoWords(errors: readonly ErrorObject[]): readonly Violation[] {
  const mistyped = new Set(errors.filter(({ keyword }) => keyword === 'type').map(({ instancePath }) => instancePath));
  const said = errors
    // Of alternatives that all fail, gojsonschema explains the closest, and the first of equals. Ours is `''` or
    // something else, so that the first has one thing wrong with it and the other never less.
    .filter(({ schemaPath }) => !/\/oneOf\/[1-9]/.test(schemaPath))
    // It says nothing more of a value whose type is wrong.
    .filter(({ keyword, instancePath }) => keyword !== 'enum' || !mistyped.has(instancePath))
    .map(describe);
  const inAllOf = new Set(errors.filter((error) => error.schemaPath.includes('/allOf/')).map((e) => e.instancePath));
  return [...said, ...Array.from(inAllOf, (at) => ({ path: keysOf(at), description: ALL_OF }))];
}

const ALL_OF = 'Must validate all the schemas (allOf)';

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
