import type { Headers, Issue } from '../model/webhook.ts';
import { decodeEnvelope, has, rawEvent, readEnvelope } from './azure-event.ts';
import type { Decoded, DecodedEvent } from './decoder.ts';
import { isObject, issue, type JsonObject, own, parseText, written } from './json.ts';

const NAMES = { type: 'type', source: 'source', time: 'time' };

/** Whether it is a CloudEvent in structured mode; one example of Azure's specification writes `specVersion`. */
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

/** Whether the request is a CloudEvent in binary mode: its attributes are headers, its body is the data. */
export function isBinary(headers: Headers): boolean {
  return headers['ce-specversion'] !== undefined;
}

/** CloudEvents 1.0, HTTP binding, 3.1. */
export function decodeBinary(data: unknown, body: Uint8Array, headers: Headers): Decoded {
  const attributes: Record<string, string> = {};
  const issues: Issue[] = [];
  for (const name of ['specversion', 'id', 'type', 'source', 'subject', 'time']) {
    const header = headers[`ce-${name}`];
    if (typeof header !== 'string') continue;
    const value = attributeOf(header);
    if (value === undefined) issues.push(issue(`ce-${name}`, 'percent-encoded UTF-8', header));
    else attributes[name] = value;
  }
  issues.push(...versionIssues(attributes['specversion'], 'ce-'));
  // Text within a text is unwrapped, so that what is kept is the native object.
  const raw = (native: unknown) => ({ bytes: typeof data === 'string' ? Buffer.from(written(native) ?? '') : body });
  const envelope = { ...readEnvelope(attributes, NAMES, 'ce-'), path: 'data', issues, data, raw };
  return { kind: 'decoded', format: 'cloudevents', events: [decodeEnvelope(envelope)] };
}

/** Undefined for what is no UTF-8. node:http gives each byte of a header as one character. */
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

/** What Base64 holds, if that is JSON; else the text itself, which is no event. */
function textOfBase64(base64: unknown): unknown {
  if (typeof base64 !== 'string') return base64;
  const json = parseText(Buffer.from(base64, 'base64').toString('utf8'));
  return isObject(json) || typeof json === 'string' ? json : base64;
}
