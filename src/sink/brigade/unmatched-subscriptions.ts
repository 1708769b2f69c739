import type { Subscription } from 'brigade-api/event';
import { SOURCE } from './event-mapping.ts';

interface Project {
  readonly spec: { readonly eventSubscriptions?: readonly Subscription[] | null };
}

/** A subscription that is legal and never matches, for a warning. */
export interface UnmatchedSubscription {
  /** The keys from the project down. */
  readonly path: readonly string[];
  readonly description: string;
}

/** The subscriptions to ACR that match no event of the gateway: Brigade wants the same qualifiers on both sides. */
export function unmatchedSubscriptions({ spec }: Project): readonly UnmatchedSubscription[] {
  return (spec.eventSubscriptions ?? []).flatMap(({ source, qualifiers }, index) => {
    const isMatched = source !== SOURCE || Object.keys(qualifiers ?? {}).join() === 'registry';
    const description = 'never matches an event of ACR, which has exactly the qualifier registry';
    return isMatched ? [] : [{ path: ['spec', 'eventSubscriptions', String(index), 'qualifiers'], description }];
  });
}
