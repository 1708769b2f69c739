import type { Subscription } from './brigade-event.ts';

type Pairs = Readonly<Record<string, string>> | null | undefined;

/** Of an event, what decides who gets it. */
export interface MatchableEvent {
  /** Narrows to one project, which must be subscribed all the same; absent or empty: any. */
  readonly projectID?: string;
  readonly source: string;
  readonly type: string;
  readonly qualifiers?: Pairs;
  readonly labels?: Pairs;
}

/** Of a project, what decides what it gets. */
export interface Subscriber {
  readonly metadata: { readonly id: string };
  readonly spec: { readonly eventSubscriptions?: readonly Subscription[] | null };
}

/**
 * Whether an event satisfies a subscription: the same source; its type, or `*`, among the types; the same qualifiers, no
 * more and no fewer; and every label that the subscription names. Nothing else is a wildcard, and case matters.
 */
export function matches(subscription: Subscription, event: MatchableEvent): boolean {
  return (
    subscription.source === event.source &&
    (subscription.types.includes(event.type) || subscription.types.includes('*')) &&
    includesAll(event.qualifiers, subscription.qualifiers) &&
    includesAll(subscription.qualifiers, event.qualifiers) &&
    includesAll(event.labels, subscription.labels)
  );
}

/** The projects that get an event, by id, each once however many of its subscriptions match. */
export function subscribers<P extends Subscriber>(projects: readonly P[], event: MatchableEvent): readonly P[] {
  return projects
    .filter(({ metadata }) => !event.projectID || event.projectID === metadata.id)
    .filter(({ spec }) => spec.eventSubscriptions?.some((subscription) => matches(subscription, event)))
    .toSorted((a, b) => (a.metadata.id < b.metadata.id ? -1 : 1));
}

function includesAll(whole: Pairs, part: Pairs): boolean {
  const pairs = whole ?? {};
  return Object.entries(part ?? {}).every(([key, value]) => pairs[key] === value);
}
