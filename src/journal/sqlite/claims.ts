import type { Claim } from '../../model/delivery.ts';
import { isRegistryEvent } from '../../model/registry-event.ts';
import type { NewRecord } from '../journal.ts';
import { JournalFault } from '../journal-fault.ts';
import { payloadOf } from '../payload.ts';
import { traceOf } from '../traceparent.ts';
import type { ClaimRow, WriteResult } from './protocol.ts';

/** What a batch was made of, by the numbers that the journal gave. */
export function recordsBySeq(
  { appended = [] }: WriteResult,
  records: readonly NewRecord[],
): ReadonlyMap<number, NewRecord> {
  return new Map(
    records.flatMap((record, index) => {
      const result = appended[index];
      return result?.kind === 'kept' ? [[result.seq, record] as const] : [];
    }),
  );
}

export function claimOf({ stored, ...row }: ClaimRow, own?: ReadonlyMap<number, NewRecord>): Claim {
  if (stored !== undefined) {
    const { eventJson, ...texts } = stored;
    return { ...row, event: JSON.parse(eventJson), ...texts };
  }
  const record = own?.get(row.seq);
  if (record === undefined || !isRegistryEvent(record.event))
    throw new JournalFault('journal_failed', 'the journal lent an event without its record');
  const payload = payloadOf(record.raw, record.payload);
  return { ...row, event: record.event, payload, ...traceOf(record.headers) };
}
