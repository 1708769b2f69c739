import type { Headers, Issue } from '../model/webhook.ts';
import { decodeEnvelope, rawEvent, readEnvelope } from './azure-event.ts';
import type { Decoded, DecodedEvent } from './decoder.ts';
import { FieldReader } from './field-reader.ts';
import { ENVELOPE_TEXT } from './grammar.ts';
import { has, isObject, issue, type JsonObject, own, parseText, stringify } from './json.ts';

const NAMES = { type: 'type', source: 'source', time: 'time' };

/** Whether it is a CloudEvent in structured mode. One example in Azure's API description has `specVersion`. */
export function isCloudEvent(json: unknown): json is JsonObject {
  return has(json, 'specversion') || has(json, 'specVersion');
}

/** One CloudEvent as a JSON object (CloudEvents 1.0, JSON format). */
export function decodeStructured(json: JsonObject, path: string): DecodedEvent {
  const { data: _, data_base64: __, ...attributes } = json;
  const envelope = readEnvelope(json, NAMES, path);
  const issues = [...envelope.issues, ...versionIssues(own(json, 'specversion') ?? own(json, 'specVersion'), path)];
  if (has(json, 'data') && has(json, 'data_base64'))
    issues.push(issue(`${path}data_base64`, 'no data beside it', json));
  const data = has(json, 'data_base64') ? textOfBase64(own(json, 'data_base64')) : own(json, 'data');
  return decodeEnvelope({ ...envelope, issues, data, raw: (native) => rawEvent(attributes, native) });
}

/** Whether the request is a CloudEvent in binary mode: the attributes are headers, and the body is the data. */
export function isBinary(headers: Headers): boolean {
  return headers['ce-specversion'] !== undefined;
}

/**
 * CloudEvents 1.0, HTTP binding, 3.1. With a header that is too long to be kept, the event could not be decoded again: then
 * the webhook is unreadable as a whole.
 */
export function decodeBinary(data: unknown, body: Uint8Array, headers: Headers): Decoded {
  const attributes: Record<string, string> = {};
  const tooLong = new FieldReader();
  const issues: Issue[] = [];
  for (const name of ['specversion', 'id', 'type', 'source', 'subject', 'time']) {
    const header = headers[`ce-${name}`];
    if (typeof header !== 'string') continue;
    if (tooLong.fitting(header, `ce-${name}`, ENVELOPE_TEXT) === undefined) continue;
    const value = attributeOf(header);
    if (value === undefined) issues.push(issue(`ce-${name}`, 'percent-encoded UTF-8', header));
    else attributes[name] = value;
  }
  if (tooLong.issues.length > 0) return { kind: 'unreadable', issues: tooLong.issues };
  issues.push(...versionIssues(attributes['specversion'], 'ce-'));
  // JSON in a string is unwrapped, so that the native object is kept.
  const raw = (native: unknown) => ({ bytes: typeof data === 'string' ? Buffer.from(stringify(native) ?? '') : body });
  const envelope = { ...readEnvelope(attributes, NAMES, 'ce-'), path: 'data', issues, data, raw };
  return { kind: 'decoded', format: 'cloudevents', events: [decodeEnvelope(envelope)] };
}

/** The value of a header that is percent-encoded, and may be quoted (CloudEvents 1.0, HTTP binding, 3.1.3.2). Undefined if it is not UTF-8. */
function attributeOf(header: string): string | undefined {
  const quoted = /^"(.*)"$/s.exec(header)?.[1]?.replace(/\\(.)/gs, '$1');
  try {
    return decodeURIComponent(quoted ?? header);
  } catch {
    return undefined;
  }
}

function versionIssues(version: unknown, path: string): readonly Issue[] {
  if (typeof version === 'string' && /^1\.\d+$/.test(version)) return [];
  const { received } = issue('', '', version);
  return [
    { path: `${path}specversion`, expected: '1.0', received: typeof version === 'string' ? 'another' : received },
  ];
}

/** The JSON that is encoded in Base64. If it is not JSON, the text itself, which is unreadable as an event. */
function textOfBase64(base64: unknown): unknown {
  if (typeof base64 !== 'string') return base64;
  const json = parseText(Buffer.from(base64, 'base64').toString('utf8'));
  return isObject(json) || typeof json === 'string' ? json : base64;
}
