import type { Issue } from '../model/webhook.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** Undefined for what is not JSON. Invalid UTF-8 becomes U+FFFD, as it did in v0.4.1. */
export function parseBytes(bytes: Uint8Array): unknown {
  return parseText(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
}

/** Undefined for what is not JSON. */
export function parseText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message quotes the sender's text.
    return undefined;
  }
}

/** Undefined for what is nested too deep to be written down: the writer recurses where the reader does not. */
export function written(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

/** Never a property of the prototype: `__proto__` and `constructor` are names like any other to a sender. */
export function own(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
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
