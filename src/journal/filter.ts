import { matchesGlob } from '../model/glob.ts';
import type { EventFilter, RecordSummary } from './journal.ts';

/** Whether all conditions of the filter hold for the record. */
export function matches(filter: EventFilter, record: RecordSummary): boolean {
  const { event, state, receivedAt, unmatched = false } = record;
  const { repository, matched, from = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY } = filter;
  return (
    is(filter.state, state) &&
    is(filter.registry, event.registry) &&
    is(filter.tag, event.tag) &&
    is(filter.digest, event.digest) &&
    is(filter.id, event.id) &&
    is(filter.action, event.action) &&
    is(filter.format, record.format) &&
    is(filter.caller, record.caller) &&
    (matched === undefined || (state === 'delivered' && matched !== unmatched)) &&
    receivedAt >= from &&
    receivedAt < until &&
    (repository === undefined || (event.repository !== undefined && matchesGlob(repository, event.repository)))
  );
}

function is<T>(wanted: T | undefined, value: T): boolean {
  return wanted === undefined || wanted === value;
}
