import type { Format, Headers } from '../model/webhook.ts';
import { decodeAcr } from './acr.ts';
import { unreadableEvent } from './azure-event.ts';
import { decodeBinary, decodeStructured, isBinary, isCloudEvent } from './cloudevents.ts';
import { type Decode, type Decoded, type DecodedEvent, lazily } from './decoder.ts';
import { decodeDistribution } from './distribution.ts';
import { decodeEventGrid, decodeValidation, isEventGridEvent } from './event-grid.ts';
import { has, isObject, issue, type JsonObject, own, parseBytes } from './json.ts';
import { LIMITS } from './limits.ts';

/**
 * Decodes every format. The format is recognized by the content, because users can change the Content-Type that ACR and Event Grid
 * send. Only a CloudEvent in binary mode is recognized by its headers.
 */
export const decode: Decode = (body, headers) => {
  const json = parseBytes(body);
  if (isObject(json)) return decodeObject(json, body, headers);
  if (Array.isArray(json)) return decodeBatch(json);
  if (typeof json === 'string' && isBinary(headers)) return decodeBinary(json, body, headers);
  const found = issue('', 'a JSON object or an array of events', json);
  const isOther = json === undefined && body.length > 0;
  return { kind: 'unreadable', issues: [isOther ? { ...found, received: 'no JSON' } : found] };
};

function decodeObject(json: JsonObject, body: Uint8Array, headers: Headers): Decoded {
  if (isCloudEvent(json)) return one('cloudevents', decodeStructured(json, ''));
  if (isBinary(headers)) return decodeBinary(json, body, headers);
  if (has(json, 'action')) return decodeAcr(json, body);
  if (isEventGridEvent(json)) return decodeValidation(json) ?? one('event-grid', decodeEventGrid(json, ''));
  return has(json, 'events') ? decodeNotifications(own(json, 'events')) : decodeAcr(json, body);
}

function one(format: Format, event: DecodedEvent): Decoded {
  return { kind: 'decoded', format, events: [event] };
}

function decodeNotifications(events: unknown): Decoded {
  if (!Array.isArray(events)) return { kind: 'unreadable', issues: [issue('events', 'an array', events)] };
  return tooMany(events, 'events') ?? decodeDistribution(events);
}

/** An array without a single event is unreadable. */
function decodeBatch(batch: readonly unknown[]): Decoded {
  const first = batch.find((each) => isCloudEvent(each) || isEventGridEvent(each));
  if (first === undefined) return { kind: 'unreadable', issues: [issue('', 'events in the array', batch)] };
  const validation = batch.length === 1 && isObject(first) ? decodeValidation(first) : undefined;
  if (validation !== undefined) return validation;
  const events = lazily(batch, (each, index) => decodeElement(each, `[${index}]`));
  const format = isCloudEvent(first) ? 'cloudevents' : 'event-grid';
  return tooMany(batch, '') ?? { kind: 'decoded', format, events };
}

function decodeElement(json: unknown, at: string): DecodedEvent {
  if (isCloudEvent(json)) return decodeStructured(json, `${at}.`);
  return isEventGridEvent(json) ? decodeEventGrid(json, `${at}.`) : unreadableEvent(json, at);
}

function tooMany({ length }: readonly unknown[], path: string): Decoded | undefined {
  if (length <= LIMITS.maxEvents) return undefined;
  return {
    kind: 'unreadable',
    issues: [{ path, expected: `at most ${LIMITS.maxEvents} events`, received: 'more' }],
  };
}
