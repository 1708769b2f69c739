import type { Issue } from '../model/webhook.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** Undefined if it is not JSON. Invalid UTF-8 becomes U+FFFD, as in v0.4.1. */
export function parseBytes(bytes: Uint8Array): unknown {
  return parseText(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
}

/** Undefined if it is not JSON. */
export function parseText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message is not used: it quotes the text.
    return undefined;
  }
}

/** Undefined if it is nested too deep: `JSON.stringify` is recursive, `JSON.parse` is not. */
export function stringify(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

/** Never a property of the prototype: in JSON, `__proto__` and `constructor` are ordinary names. */
export function own(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** Whether it is an object in which this field is neither absent nor null. */
export function has(json: unknown, key: string): json is JsonObject {
  return isObject(json) && own(json, key) !== undefined && own(json, key) !== null;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function issue(path: string, expected: string, received: unknown): Issue {
  return { path, expected, received: typeName(received) };
}

function typeName(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
