import { decodeEnvelope, has, rawEvent, readEnvelope } from './azure-event.ts';
import type { DecodedEvent } from './decoder.ts';
import { type JsonObject, own } from './json.ts';

const NAMES = { type: 'eventType', source: 'topic', time: 'eventTime' };

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
