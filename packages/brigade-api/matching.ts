import type { Subscription } from './event.ts';

type Pairs = Readonly<Record<string, string>> | null | undefined;

/** The fields of an event that decide which projects get it. */
export interface MatchableEvent {
  /** Limits the event to one project, which still has to be subscribed. If absent or empty, every project may get it. */
  readonly projectID?: string;
  readonly source: string;
  readonly type: string;
  readonly qualifiers?: Pairs;
  readonly labels?: Pairs;
}

/** The fields of a project that decide which events it gets. */
export interface Subscriber {
  readonly metadata: { readonly id: string };
  readonly spec: { readonly eventSubscriptions?: readonly Subscription[] | null };
}

/**
 * Whether an event matches a subscription: the same source; the event's type, or `*`, among the types; exactly the same
 * qualifiers; and every label of the subscription. There is no other wildcard, and case matters.
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

/** The projects that get an event, ordered by id. A project gets it once, even if several of its subscriptions match. */
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
