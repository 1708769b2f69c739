import { hash } from 'node:crypto';
import { type Decoded, type DecodedEvent, nothing } from './decoder.ts';
import { actionOf, FieldReader, type NativeFields } from './field-reader.ts';
import { issue, type JsonObject } from './json.ts';

/**
 * The native webhook of Azure Container Registry: one JSON object
 * (learn.microsoft.com/azure/container-registry/container-registry-webhook-reference). The documentation calls no field
 * optional, but captures lack several. Only `action` is required.
 */
export function decodeAcr(json: JsonObject, body: Uint8Array): Decoded {
  const reader = new FieldReader();
  const native = reader.native(json);
  const isActionAbsent = native.action === undefined && reader.issues.every(({ path }) => path !== 'action');
  if (isActionAbsent) reader.issues.push(issue('action', 'a string', undefined));
  if (native.action === undefined || reader.issues.length > 0) return { kind: 'unreadable', issues: reader.issues };
  return { kind: 'decoded', format: 'acr', events: [decodeEvent(native.action, native, body)] };
}

function decodeEvent(text: string, { id, fields }: NativeFields, body: Uint8Array): DecodedEvent {
  const action = actionOf(text);
  if (action === undefined) return nothing(text === 'ping' ? 'ping' : 'unknown-action', text, id);
  return { kind: 'event', event: { id: id ?? hash('sha256', body), action, ...fields } };
}
