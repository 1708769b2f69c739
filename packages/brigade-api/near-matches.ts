import type { Subscription } from './event.ts';
import type { MatchableEvent, Subscriber } from './matching.ts';

/** One reason why a subscription does not match an event. */
export interface Difference {
  /** `source`, `type`, or for example `qualifier registry` or `label repo`. */
  readonly field: string;
  /** What the subscription wants. Absent: it does not name a qualifier that the event has. */
  readonly wanted?: string;
  /** What the event has. Absent: it has no such qualifier or label. */
  readonly given?: string;
}

/** A project whose subscription nearly matches an event. */
export interface NearMatch {
  readonly projectID: string;
  /** Never empty. */
  readonly differences: readonly Difference[];
}

type Pairs = MatchableEvent['labels'];

/** A subscription to another source is further away than any to the same. */
const SOURCE_DISTANCE = 1000;

/** Texts that differ only in the case of letters are likely to be a mistake. */
const CASE_DISTANCE = 0.5;

/** Every difference between a subscription and an event. Empty if and only if they match. */
export function differencesBetween(subscription: Subscription, event: MatchableEvent): readonly Difference[] {
  const { source, types, qualifiers, labels } = subscription;
  const hasType = types.includes(event.type) || types.includes('*');
  return [
    ...(source === event.source ? [] : [{ field: 'source', wanted: source, given: event.source }]),
    ...(hasType ? [] : [{ field: 'type', wanted: types.join(', '), given: event.type }]),
    ...differentPairs('qualifier', qualifiers, event.qualifiers),
    ...unwantedQualifiers(qualifiers, event.qualifiers),
    ...differentPairs('label', labels, event.labels),
  ];
}

/**
 * At most `max` projects that do not get the event, each with the subscription that differs least from it. The nearest come
 * first, and of those that are equally near the first by id.
 */
export function nearMatches(projects: readonly Subscriber[], event: MatchableEvent, max: number): readonly NearMatch[] {
  const nearest = projects.flatMap(({ metadata, spec }) => {
    const all = (spec.eventSubscriptions ?? []).map((each) => differencesBetween(each, event));
    const [differences = []] = all.toSorted((one, other) => distance(one) - distance(other));
    return differences.length === 0 ? [] : [{ projectID: metadata.id, differences }];
  });
  return nearest
    .toSorted((one, other) => {
      const farther = distance(one.differences) - distance(other.differences);
      return farther === 0 ? Number(one.projectID > other.projectID) - 0.5 : farther;
    })
    .slice(0, max);
}

/** `project hello wants the qualifier registry "a.azurecr.io", and the event has "b.azurecr.io"` */
export function describeNearMatch({ projectID, differences }: NearMatch): string {
  return `project ${projectID} ${differences.map(describe).join('; it ')}`;
}

function describe({ field, wanted, given }: Difference): string {
  if (wanted === undefined) return `does not name the ${field} "${given}", which the event has`;
  if (given === undefined) return `wants the ${field} "${wanted}", which the event does not have`;
  const hint = isSameButForCase(wanted, given) ? ': case matters' : '';
  return `wants the ${field} "${wanted}", and the event has "${given}"${hint}`;
}

function differentPairs(kind: string, wanted: Pairs, given: Pairs): readonly Difference[] {
  const has = new Map(Object.entries(given ?? {}));
  return Object.entries(wanted ?? {}).flatMap(([key, value]) => {
    const text = has.get(key);
    if (text === value) return [];
    return [{ field: `${kind} ${key}`, wanted: value, ...(text === undefined ? {} : { given: text }) }];
  });
}

function unwantedQualifiers(wanted: Pairs, given: Pairs): readonly Difference[] {
  const named = new Set(Object.keys(wanted ?? {}));
  return Object.entries(given ?? {}).flatMap(([key, value]) =>
    named.has(key) ? [] : [{ field: `qualifier ${key}`, given: value }],
  );
}

function distance(differences: readonly Difference[]): number {
  return differences.reduce((sum, difference) => sum + weight(difference), 0);
}

function weight({ field, wanted = '', given = '' }: Difference): number {
  if (field === 'source') return SOURCE_DISTANCE;
  return isSameButForCase(wanted, given) ? CASE_DISTANCE : 1;
}

function isSameButForCase(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}
