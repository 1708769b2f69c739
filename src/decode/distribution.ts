import { hash } from 'node:crypto';
import { type Decoded, type DecodedEvent, nothing, type RawEvent } from './decoder.ts';
import { actionOf, FieldReader, isManifest, type NativeFields } from './field-reader.ts';
import { isObject, issue, type JsonObject, own, written } from './json.ts';

/** What a registry does that changes no manifest. */
const OTHER_ACTIONS = ['pull', 'mount'] as const;

/**
 * The notifications of a CNCF registry, of which ACR's webhook is a descendant (distribution.github.io/distribution,
 * about/notifications). A registry sends them again and again until it gets a 2xx, and everything behind them waits.
 */
export function decodeDistribution(events: readonly unknown[]): Decoded {
  return { kind: 'decoded', format: 'distribution', events: events.map(decodeOne) };
}

function decodeOne(json: unknown, index: number): DecodedEvent {
  const path = `events[${index}]`;
  const raw = rawOf(json);
  if (!isObject(json)) return unreadable(hash('sha256', raw.bytes), undefined, [issue(path, 'an object', json)], raw);
  const reader = new FieldReader();
  const native = reader.native(json, `${path}.`);
  const { action: text, fields } = native;
  const other = OTHER_ACTIONS.find((each) => each === text);
  if (other !== undefined) return nothing(other, other, native.id);
  if (text === undefined) reader.issues.push(issue(`${path}.action`, 'a string', own(json, 'action')));
  const action = actionOf(text);
  if (text !== undefined && action === undefined) return nothing('unknown-action', text, native.id);
  if (isOfBlob(json, native)) return nothing('blob', action ?? '', native.id);
  if (raw.bytes.byteLength === 0) reader.issues.push(issue(path, 'less nesting', json));
  const id = native.id ?? hash('sha256', raw.bytes);
  if (action === undefined || reader.issues.length > 0) return unreadable(id, native, reader.issues, raw);
  return { kind: 'event', event: { id, action, ...fields }, raw };
}

/** By its address in the registry, else by its media type. A deletion by digest tells neither: it may be of a manifest. */
function isOfBlob(json: JsonObject, { fields: { mediaType, tag } }: NativeFields): boolean {
  const target = own(json, 'target');
  const url = isObject(target) ? own(target, 'url') : undefined;
  // A repository may itself be called so: the last of them counts.
  const lastAt = (part: string) => (typeof url === 'string' ? url.lastIndexOf(part) : -1);
  const [manifestAt, blobAt] = [lastAt('/manifests/'), lastAt('/blobs/')];
  if (manifestAt !== blobAt) return blobAt > manifestAt;
  return mediaType !== undefined && tag === undefined && !isManifest(mediaType);
}

const BEFORE = '{"events":[';
const AFTER = ']}';

function rawOf(json: unknown): RawEvent {
  const text = written(json);
  if (text === undefined) return { bytes: Buffer.alloc(0) };
  const bytes = Buffer.from(`${BEFORE}${text}${AFTER}`);
  return { bytes, payload: { start: BEFORE.length, end: bytes.byteLength - AFTER.length } };
}

function unreadable(
  id: string,
  native: NativeFields | undefined,
  issues: Extract<DecodedEvent, { kind: 'unreadable' }>['issues'],
  raw: RawEvent,
): DecodedEvent {
  const event = { id, action: actionOf(native?.action) ?? 'unreadable', ...native?.fields } as const;
  return { kind: 'unreadable', event, issues, raw };
}
