import type { Deliverable, Message } from '../sink.ts';

/** A type is this and the action: `sh.brigade.acr.push`. */
const TYPE_PREFIX = 'sh.brigade.acr.';

/** A host name, perhaps with a port: needs no escaping in a URI or a header. */
const REGISTRY = /^[\w.:-]{1,255}$/;

/** Characters. An encoded character takes up to 12 bytes, and servers accept headers of 8 KiB in all. */
const MAX_SUBJECT = 512;

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/i;

/** How a CloudEvent is written: as one JSON object, or with its attributes as headers. */
export type Mode = 'structured' | 'binary';

/**
 * The CloudEvent 1.0 for a registry event. `id` is the event id and `source` the registry, which together identify it; the
 * extension `delivery` grows with each redelivery by an operator, and `traceparent` is the webhook's.
 */
export function toCloudEvent({ event, payload, delivery, traceparent }: Deliverable, mode: Mode): Message {
  const { id, action, registry = '', repository, tag, timestamp } = event;
  if (!REGISTRY.test(registry)) return { kind: 'unmappable', detail: 'the registry is not legal as a source' };
  if (!isJson(payload)) return { kind: 'unmappable', detail: 'the payload is not JSON' };
  const subject = tag === undefined ? repository : `${repository ?? ''}:${tag}`;
  const attributes = {
    specversion: '1.0',
    id,
    source: registry,
    type: `${TYPE_PREFIX}${action}`,
    ...(subject === undefined || subject.length > MAX_SUBJECT ? {} : { subject: subject.toWellFormed() }),
    ...(timestamp !== undefined && RFC_3339.test(timestamp) ? { time: timestamp } : {}),
    datacontenttype: 'application/json',
    delivery: String(delivery),
    ...(traceparent === undefined ? {} : { traceparent }),
  };
  return mode === 'binary' ? binary(attributes, payload) : structured(attributes, payload);
}

/** All attributes are strings. */
type Attributes = Readonly<Record<string, string>>;

/** JSON event format. The payload stays unchanged, also numbers that JavaScript cannot represent. */
function structured(attributes: Attributes, payload: string): Message {
  const head = JSON.stringify(attributes).slice(0, -1);
  return {
    kind: 'message',
    headers: { 'content-type': 'application/cloudevents+json; charset=utf-8' },
    body: `${head},"data":${payload}}`,
  };
}

/** HTTP protocol binding, section 3.1: the attributes are headers. */
function binary({ datacontenttype = '', ...attributes }: Attributes, payload: string): Message {
  const headers = Object.entries(attributes).map(([name, value]) => [`ce-${name}`, headerValue(value)]);
  return {
    kind: 'message',
    headers: { 'content-type': datacontenttype, ...Object.fromEntries(headers) },
    body: payload,
  };
}

/** HTTP protocol binding, section 3.1.3.2: everything but visible ASCII, and `"` and `%`, is percent-encoded. */
function headerValue(value: string): string {
  return value.replace(/[^\x21-\x7e]|["%]/gu, (character) =>
    Buffer.from(character, 'utf8').reduce(
      (text, byte) => `${text}%${byte.toString(16).padStart(2, '0').toUpperCase()}`,
      '',
    ),
  );
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
