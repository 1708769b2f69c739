import { decodeEnvelope, rawEvent, readEnvelope } from './azure-event.ts';
import type { Decoded, DecodedEvent } from './decoder.ts';
import { has, type JsonObject, own, parseText } from './json.ts';
import { LIMITS } from './limits.ts';

const NAMES = { type: 'eventType', source: 'topic', time: 'eventTime' };

const VALIDATION = 'Microsoft.EventGrid.SubscriptionValidationEvent';

/** Whether it is an event in Event Grid's own schema. */
export function isEventGridEvent(json: unknown): json is JsonObject {
  return has(json, 'eventType');
}

/** One event in Event Grid's own schema (learn.microsoft.com/azure/event-grid/event-schema-container-registry). */
export function decodeEventGrid(json: JsonObject, path: string): DecodedEvent {
  const { data: _, ...attributes } = json;
  const raw = (data: unknown) => rawEvent(attributes, data);
  return decodeEnvelope({ ...readEnvelope(json, NAMES, path), data: own(json, 'data'), raw });
}

/**
 * The one event that Event Grid sends when a subscription is created or changed: its code must be sent back
 * (learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema). Its `validationUrl` is not read.
 * Undefined for any other event.
 */
export function decodeValidation(json: JsonObject): Decoded | undefined {
  if (own(json, 'eventType') !== VALIDATION) return undefined;
  const given = own(json, 'data');
  const data = typeof given === 'string' ? parseText(given) : given;
  const code = has(data, 'validationCode') ? own(data, 'validationCode') : undefined;
  if (typeof code === 'string' && code !== '' && code.length <= LIMITS.maxValidationCodeChars)
    return { kind: 'validation', code };
  const expected = `a string of at most ${LIMITS.maxValidationCodeChars} characters`;
  return { kind: 'unreadable', issues: [{ path: 'data.validationCode', expected, received: 'something else' }] };
}
