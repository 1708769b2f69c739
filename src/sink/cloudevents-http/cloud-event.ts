import type { Claim } from '../../model/delivery.ts';

/** A type is this and the action: `sh.brigade.acr.push`. */
const TYPE_PREFIX = 'sh.brigade.acr.';

/** What stands in a URI and in a header as it is: a host name, perhaps with a port. */
const REGISTRY = /^[\w.:-]{1,255}$/;

/** Characters; servers take headers of 8 KiB in all, and an encoded character has up to 12. */
const MAX_SUBJECT = 512;

/** The attributes of a CloudEvent 1.0, all of them texts. */
export type Attributes = Readonly<Record<string, string>>;

export type Described =
  | { readonly kind: 'described'; readonly attributes: Attributes }
  | { readonly kind: 'unmappable'; readonly detail: string };

/**
 * The CloudEvent for a registry event. `id` is the event id and `source` the registry, which together identify it; the
 * extension `delivery` grows when an operator redelivers it on purpose, and `traceparent` is the webhook's.
 */
export function describeEvent({ event, payload, delivery, traceparent }: Claim): Described {
  const { id, action, registry = '', repository, tag, timestamp } = event;
  if (!REGISTRY.test(registry)) return { kind: 'unmappable', detail: 'the registry is not legal as a source' };
  if (!isJson(payload)) return { kind: 'unmappable', detail: 'the payload is not JSON' };
  const subject = tag === undefined ? repository : `${repository ?? ''}:${tag}`;
  return {
    kind: 'described',
    attributes: {
      specversion: '1.0',
      id,
      source: registry,
      type: `${TYPE_PREFIX}${action}`,
      ...(subject === undefined || subject.length > MAX_SUBJECT ? {} : { subject: subject.toWellFormed() }),
      ...(timestamp !== undefined && RFC_3339.test(timestamp) ? { time: timestamp } : {}),
      datacontenttype: 'application/json',
      delivery: String(delivery),
      ...(traceparent === undefined ? {} : { traceparent }),
    },
  };
}

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/i;

export interface Message {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** CloudEvents 1.0, JSON event format. The payload stays as it is, also numbers that JavaScript cannot hold. */
export function structured(attributes: Attributes, payload: string): Message {
  const head = JSON.stringify(attributes).slice(0, -1);
  return {
    headers: { 'content-type': 'application/cloudevents+json; charset=utf-8' },
    body: `${head},"data":${payload}}`,
  };
}

/** CloudEvents 1.0, HTTP protocol binding, section 3.1: the attributes are headers. */
export function binary({ datacontenttype = '', ...attributes }: Attributes, payload: string): Message {
  const headers = Object.entries(attributes).map(([name, value]) => [`ce-${name}`, headerValue(value)]);
  return { headers: { 'content-type': datacontenttype, ...Object.fromEntries(headers) }, body: payload };
}

/** Section 3.1.3.2: whatever is not a visible ASCII character, and `"` and `%`, is percent-encoded. */
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
