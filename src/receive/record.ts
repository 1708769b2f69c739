import { hash } from 'node:crypto';
import type { RawEvent } from '../decode/decoder.ts';
import type { NewRecord } from '../journal/journal.ts';
import type { Caller } from '../model/caller.ts';
import { isPrintable } from '../model/names.ts';
import type { LostEvent } from '../model/receipt.ts';
import type { KeptEvent, RegistryEvent } from '../model/registry-event.ts';
import { comparableRegistry } from '../model/registry-name.ts';
import { traceparentOf } from '../model/traceparent.ts';
import type { Format, Headers } from '../model/webhook.ts';
import { LIMITS } from './limits.ts';

/** For how long events of the same content count as one, and whether regions matter. */
export interface ContentWindow {
  readonly ms: number;
  /** `together`: the events of all replicas of a registry about one push are one event. `apart`: one for each region. */
  readonly regions: 'together' | 'apart';
}

/** A webhook whose caller is known and whose body was read. */
export interface Webhook {
  readonly headers: Headers;
  readonly body: Uint8Array;
  readonly caller: Caller;
  /** The trace that its records carry. Absent: the one that the headers name. */
  readonly traceparent?: string | undefined;
  /** Epoch milliseconds. */
  readonly receivedAt: number;
  /** Absent: only the ids of events are compared. */
  readonly contentWindow?: ContentWindow | undefined;
}

/** What the records of one webhook have in common. `raw` is the body, for an event that has no raw form of its own. */
export type RecordBase = Pick<NewRecord, 'receivedAt' | 'format' | 'caller' | 'headers' | 'traceparent' | 'raw'>;

/** One event of a webhook, in scope or not. */
interface ReadEvent<E extends KeptEvent> {
  readonly event: E;
  readonly raw?: RawEvent | undefined;
}

export function recordBase(format: Format, { body, caller, receivedAt, ...webhook }: Webhook): RecordBase {
  const headers = keptHeaders(webhook.headers);
  const traceparent = webhook.traceparent ?? traceparentOf(headers);
  const trace = traceparent === undefined ? {} : { traceparent };
  return { receivedAt, format, caller: caller.name, headers, ...trace, raw: body };
}

export function acceptedRecord(
  base: RecordBase,
  read: ReadEvent<RegistryEvent & { readonly registry: string }>,
  contentWindow: ContentWindow | undefined,
): NewRecord {
  const { event } = read;
  const record = recordOf(base, read, ['registry', comparableRegistry(event.registry)]);
  const key = contentWindow === undefined ? undefined : contentKey(event, contentWindow.regions);
  if (contentWindow === undefined || key === undefined) return record;
  return { ...record, content: { key, windowMs: contentWindow.ms } };
}

/** Dead letters are keyed by caller, so that a forged event cannot make the real one a duplicate. */
export function deadLetterRecord(
  base: RecordBase,
  read: ReadEvent<KeptEvent>,
  deadLetter: NonNullable<NewRecord['deadLetter']>,
): NewRecord {
  return { ...recordOf(base, read, ['caller', base.caller]), deadLetter };
}

function recordOf(base: RecordBase, { event, raw }: ReadEvent<KeptEvent>, owner: Owner): NewRecord {
  const record = { ...base, dedupKey: dedupKey(event, owner), event };
  if (raw === undefined) return record;
  return { ...record, raw: raw.bytes, ...(raw.payload === undefined ? {} : { payload: raw.payload }) };
}

/** Event ids are unique within an owner. */
type Owner = readonly [kind: 'registry' | 'caller', name: string];

/**
 * One (registry or caller, repository, action, event id) is taken once. With the registry and the repository, the key has what
 * a caller is bound to: no event that a caller may send has the key of one that it may not send.
 */
function dedupKey({ action, repository, id }: KeptEvent, owner: Owner): string {
  return hash('sha256', JSON.stringify([...owner, repository, action, id])).slice(0, 32);
}

/**
 * 32 hex characters, the same for every event with the same registry, repository, action, tag and digest. Undefined where
 * the event does not say what was pushed or deleted, and where.
 */
export function contentKey(event: RegistryEvent, regions: ContentWindow['regions']): string | undefined {
  const { registry, repository, action, tag, digest, region } = event;
  if (registry === undefined || repository === undefined || digest === undefined) return undefined;
  const place = regions === 'apart' ? region?.toLowerCase() : undefined;
  const parts = [comparableRegistry(registry), repository, action, tag, digest, place];
  return hash('sha256', JSON.stringify(parts)).slice(0, 32);
}

/**
 * The headers that the journal keeps, if they are printable and fit, in this order: those that a CloudEvent in binary mode is decoded from, then
 * those that say where a webhook comes from. None of them holds a credential.
 */
const KEPT_HEADERS = [
  'ce-specversion',
  'ce-type',
  'ce-source',
  'ce-subject',
  'ce-id',
  'ce-time',
  'content-type',
  'traceparent',
  'ce-traceparent',
  'ce-dataschema',
  'aeg-event-type',
  'aeg-subscription-name',
  'aeg-delivery-count',
  'aeg-data-version',
  'aeg-metadata-version',
  'user-agent',
] as const;

function keptHeaders(headers: Headers): Readonly<Record<string, string>> {
  const kept: Record<string, string> = {};
  let chars = 0;
  for (const name of KEPT_HEADERS) {
    const given = headers[name];
    if (given === undefined) continue;
    const value = (typeof given === 'string' ? given : given.join(', ')).slice(0, LIMITS.maxKeptHeaderChars);
    const size = name.length + value.length;
    if (chars + size > LIMITS.maxKeptHeadersChars || !isPrintable(value)) continue;
    kept[name] = value;
    chars += size;
  }
  return kept;
}

/** What a receipt says about an event beside its result. */
export function summaryOf(event: KeptEvent): LostEvent {
  const { id, action, registry, repository, tag, digest } = event;
  return {
    id,
    action,
    ...(registry === undefined ? {} : { registry }),
    ...(repository === undefined ? {} : { repository }),
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}
