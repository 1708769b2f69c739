import { hash } from 'node:crypto';
import { type Decoded, type DecodedEvent, lazily, nothing, type RawEvent } from './decoder.ts';
import { actionOf, FieldReader, isManifest, type NativeFields } from './field-reader.ts';
import { isObject, issue, type JsonObject, own, stringify } from './json.ts';

/** Actions that change no manifest. */
const OTHER_ACTIONS = ['pull', 'mount'] as const;

/**
 * The notifications of a CNCF registry, from which ACR's webhook descends (distribution.github.io/distribution,
 * about/notifications). A registry repeats a notification until it gets a 2xx, and all later ones wait behind it.
 */
export function decodeDistribution(events: readonly unknown[]): Decoded {
  return { kind: 'decoded', format: 'distribution', events: lazily(events, decodeOne) };
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

/** Decided by the URL of the target, else by its media type. A deletion by digest has neither, and counts as one of a manifest. */
function isOfBlob(json: JsonObject, { fields: { mediaType, tag } }: NativeFields): boolean {
  const target = own(json, 'target');
  const url = isObject(target) ? own(target, 'url') : undefined;
  // A repository's name can contain these too, so the last one counts.
  const lastAt = (part: string) => (typeof url === 'string' ? url.lastIndexOf(part) : -1);
  const [manifestAt, blobAt] = [lastAt('/manifests/'), lastAt('/blobs/')];
  if (manifestAt !== blobAt) return blobAt > manifestAt;
  return mediaType !== undefined && tag === undefined && !isManifest(mediaType);
}

const BEFORE = '{"events":[';
const AFTER = ']}';

function rawOf(json: unknown): RawEvent {
  const text = stringify(json);
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
