import { hash } from 'node:crypto';
import { ACTIONS, type RegistryEvent } from '../model/registry-event.ts';
import type { Issue } from '../model/webhook.ts';
import type { Decode, DecodedEvent } from './decoder.ts';

/** What a log line or an answer repeats of an action that we do not know. */
const ACTION_LENGTH = 64;

/** Characters; an id that is longer is as good as none. */
const ID_LENGTH = 256;

type Fields = Omit<RegistryEvent, 'id' | 'action'>;
type JsonObject = Readonly<Record<string, unknown>>;

/**
 * The native webhook of Azure Container Registry: one JSON object
 * (learn.microsoft.com/azure/container-registry/container-registry-webhook-reference). Its documentation calls no field
 * optional; Azure's own API description calls every one so, and captures lack several. Only `action` is demanded. What
 * is there must be a string: an event of which half cannot be trusted is better refused loudly than mapped wrongly.
 */
export const decodeAcr: Decode = (body) => {
  const json = parse(body);
  if (!isObject(json)) return { kind: 'unreadable', issues: [noObject(body, json)] };
  const reader = new FieldReader();
  const id = reader.text(json, 'id', '');
  const action = reader.text(json, 'action', '');
  const fields = reader.fields(json);
  const isActionTold = action !== undefined || reader.issues.some(({ path }) => path === 'action');
  if (!isActionTold) reader.issues.push(issue('action', 'a string', undefined));
  if (action === undefined || reader.issues.length > 0) return { kind: 'unreadable', issues: reader.issues };
  const usable = id !== undefined && id.length <= ID_LENGTH ? id : undefined;
  return { kind: 'decoded', format: 'acr', events: [decodeEvent(body, action, usable, fields)] };
};

function decodeEvent(body: Uint8Array, text: string, id: string | undefined, fields: Fields): DecodedEvent {
  const action = ACTIONS.find((each) => each === text);
  if (action === undefined) {
    const reason = text === 'ping' ? 'ping' : 'unknown-action';
    return { kind: 'nothing', reason, action: text.slice(0, ACTION_LENGTH), ...(id === undefined ? {} : { id }) };
  }
  return { kind: 'event', event: { id: id ?? hash('sha256', body), action, ...fields } };
}

/** Undefined for what is not JSON. Invalid UTF-8 becomes U+FFFD, as it did in v0.4.1. */
function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
  } catch {
    // The parser's message quotes the sender's text.
    return undefined;
  }
}

/** Reads the fields that we use, gathering what is wrong with them. Absent, null and empty are one. */
class FieldReader {
  readonly issues: Issue[] = [];

  fields(json: JsonObject): Fields {
    const target = this.#object(json, 'target');
    const request = this.#object(json, 'request');
    const fields: { -readonly [name in keyof Fields]: Fields[name] } = {};
    const put = (name: keyof Fields, value: string | undefined): void => {
      if (value !== undefined) fields[name] = value;
    };
    put('registry', this.text(request, 'host', 'request.'));
    put('repository', this.text(target, 'repository', 'target.'));
    const tag = this.text(target, 'tag', 'target.');
    // What a push by digest carries as its tag is documented nowhere; a tag has no colon, a digest has.
    put('tag', tag?.includes(':') ? undefined : tag);
    put('digest', this.text(target, 'digest', 'target.'));
    put('mediaType', this.text(target, 'mediaType', 'target.'));
    put('timestamp', this.text(json, 'timestamp', ''));
    return fields;
  }

  text(from: JsonObject | undefined, key: string, path: string): string | undefined {
    const value = from === undefined ? undefined : own(from, key);
    if (value === undefined || value === null || value === '') return undefined;
    if (typeof value === 'string') return value;
    this.issues.push(issue(path + key, 'a string', value));
    return undefined;
  }

  #object(from: JsonObject, key: string): JsonObject | undefined {
    const value = own(from, key);
    if (value === undefined || value === null) return undefined;
    if (isObject(value)) return value;
    this.issues.push(issue(key, 'an object', value));
    return undefined;
  }
}

/** Never a property of the prototype: `__proto__` and `constructor` are names like any other to a sender. */
function own(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function issue(path: string, expected: string, received: unknown): Issue {
  return { path, expected, received: typeName(received) };
}

function noObject(body: Uint8Array, json: unknown): Issue {
  const found = issue('', 'a JSON object', json);
  return json === undefined && body.length > 0 ? { ...found, received: 'no JSON' } : found;
}

function typeName(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
