import { hash } from 'node:crypto';
import { API_VERSION, type BrigadeEvent } from 'brigade-api/event';
import {
  type FieldRule,
  fits,
  LONG_TITLE_MAX_LENGTH,
  OLD_VALUE_RULE,
  SHORT_TITLE_MAX_LENGTH,
  VALUE_RULE,
} from 'brigade-api/field-rules';
import { imageName, type RegistryEvent } from '../../model/registry-event.ts';
import type { Deliverable } from '../sink.ts';

/** The `source` of every event, which subscriptions name. It is that of v0.4.1 and never changes. */
export const SOURCE = 'brigade.sh/acr';

/**
 * The largest payload of an event, bytes of UTF-8. Brigade accepts 15 MiB, but passes an event to its worker in one
 * Kubernetes Secret of at most 1 MiB, in which the payload is escaped once more.
 */
export const MAX_PAYLOAD_BYTES = 512 * 1024;

type Mapping =
  | {
      readonly kind: 'mapped';
      readonly event: BrigadeEvent;
      /** Labels that were left out because their values are not legal in Brigade. */
      readonly leftOut: readonly string[];
    }
  | { readonly kind: 'unmappable'; readonly detail: string };

/** Which label values the Brigade in use accepts: 255 characters since v2.6.0, 63 before. */
export type LabelRule = 'since-2.6' | 'before-2.6';

/**
 * The Brigade event for a registry event: v0.4.1's `source`, `type`, `qualifiers` and label `repo`, and more labels.
 *
 * There is never a second qualifier: Brigade compares qualifiers both ways, so one more would silently end every
 * subscription. Labels only narrow. One that does not fit is left out, never cut: a cut value could match another
 * subscription.
 */
export function toBrigadeEvent({ event, payload, delivery }: Deliverable, labelRule: LabelRule): Mapping {
  const valueRule = labelRule === 'since-2.6' ? VALUE_RULE : OLD_VALUE_RULE;
  const registry = event.registry ?? '';
  if (!fits(valueRule, registry)) return { kind: 'unmappable', detail: 'the registry is not legal as a qualifier' };
  if (Buffer.byteLength(payload) > MAX_PAYLOAD_BYTES) {
    return { kind: 'unmappable', detail: `the payload has more than ${MAX_PAYLOAD_BYTES} bytes` };
  }
  const { labels, leftOut } = legalLabels(event, valueRule);
  return {
    kind: 'mapped',
    leftOut,
    event: {
      kind: 'Event',
      apiVersion: API_VERSION,
      metadata: {},
      source: SOURCE,
      type: event.action,
      qualifiers: { registry },
      labels,
      shortTitle: cut(shortTitle(event), SHORT_TITLE_MAX_LENGTH),
      longTitle: cut(longTitle(event), LONG_TITLE_MAX_LENGTH),
      payload,
      sourceState: { state: { eventID: queryable(event.id), delivery: String(delivery) } },
    },
  };
}

function legalLabels(
  event: RegistryEvent,
  rule: FieldRule,
): { readonly labels: Record<string, string>; readonly leftOut: readonly string[] } {
  const labels: Record<string, string> = {};
  const leftOut: string[] = [];
  for (const [name, value] of Object.entries(wantedLabels(event))) {
    if (value === undefined) continue;
    if (fits(rule, value)) labels[name] = value;
    else leftOut.push(name);
  }
  return { labels, leftOut };
}

function wantedLabels(event: RegistryEvent): Readonly<Record<string, string | undefined>> {
  return {
    repo: event.repository,
    tag: event.tag,
    tagged: event.action === 'delete' ? undefined : String(event.tag !== undefined),
    digest: event.digest,
    manifest: event.manifest,
    region: event.region,
  };
}

/** `push hello-world:v1` */
function shortTitle({ action, repository, tag }: RegistryEvent): string {
  return repository === undefined ? action : `${action} ${imageName({ repository, tag })}`;
}

/** `push example.azurecr.io/hello-world:v1@sha256:…` */
function longTitle(event: RegistryEvent): string {
  return `${event.action} ${imageName(event)}`;
}

/** Cuts between characters, never inside one of two UTF-16 units. */
function cut(text: string, maxLength: number): string {
  let end = 0;
  let units = 0;
  for (let characters = 0; units < text.length; characters++) {
    if (characters === maxLength - 1) end = units;
    if (characters === maxLength) return `${text.slice(0, end)}…`;
    units += (text.codePointAt(units) ?? 0) > 0xffff ? 2 : 1;
  }
  return text;
}

/** Brigade's queries for source state split at `,` and `=`, so an id with other characters than these is hashed. */
function queryable(id: string): string {
  return /^[A-Za-z0-9-]+$/.test(id) ? id : hash('sha256', id);
}
