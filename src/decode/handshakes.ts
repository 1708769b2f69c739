import { has } from './azure-event.ts';
import type { Decoded } from './decoder.ts';
import { type JsonObject, own, parseText } from './json.ts';

const VALIDATION = 'Microsoft.EventGrid.SubscriptionValidationEvent';

/** Characters of a code that is echoed; Event Grid's are GUIDs. */
const CODE_LENGTH = 1024;

/**
 * What Event Grid sends when a subscription is created or changed: one event with a code to be sent back
 * (learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema). Its `validationUrl` is not read.
 */
export function decodeValidation(json: JsonObject): Decoded | undefined {
  if (own(json, 'eventType') !== VALIDATION) return undefined;
  const given = own(json, 'data');
  const data = typeof given === 'string' ? parseText(given) : given;
  const code = has(data, 'validationCode') ? own(data, 'validationCode') : undefined;
  if (typeof code === 'string' && code !== '' && code.length <= CODE_LENGTH) return { kind: 'validation', code };
  const expected = `a string of at most ${CODE_LENGTH} characters`;
  return { kind: 'unreadable', issues: [{ path: 'data.validationCode', expected, received: 'something else' }] };
}
