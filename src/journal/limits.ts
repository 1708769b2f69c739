import { type LimitTable, valuesOf } from '../model/limit.ts';

const MIB = 1024 * 1024;
const SECOND = 1_000;
const DAY = 86_400_000;

/** The limits of every journal. */
export const JOURNAL_LIMITS = {
  appendMs: {
    value: 4 * SECOND,
    unit: 'ms',
    about:
      'How long an append may take. For a batch it includes the wait for earlier batches of its caller. ACR waits 5 s for its answer.',
    at: '503 with `Retry-After`, reason `slow`.',
    affects: 'the webhook',
  },
  maxWaitingRecords: {
    value: 10_000,
    unit: 'count',
    about:
      'Events of one caller that wait to be written: two of the largest batches. Each caller has a queue of its own.',
    at: '503 with `Retry-After`, reason `busy`. A larger webhook is taken while nothing else of its caller waits.',
    affects: 'the caller',
  },
  maxWaitingBytes: {
    value: 64 * MIB,
    unit: 'bytes',
    about: 'The same, in bytes: more than the bodies of one caller in flight.',
    at: 'As above.',
    affects: 'the caller',
  },
  maxTurnRecords: {
    value: 64,
    unit: 'count',
    about:
      'Events that one caller adds to a commit before it is the next one’s turn. Each caller that waits has a turn in every commit; with more than 8 of them, turns are shorter.',
    at: 'The rest waits for the next turn. A large batch is spread over several commits.',
    affects: 'large batches',
  },
  maxTurnBytes: {
    value: MIB,
    unit: 'bytes',
    about: 'The same, in bytes. A turn has at least one event.',
    at: 'As above.',
    affects: 'large batches',
  },
  maxCommitRecords: {
    value: 512,
    unit: 'count',
    about: 'Events in one commit, and likewise results of deliveries. More would delay the next commit.',
    at: 'The rest waits for the next commit.',
    affects: 'large batches',
  },
  maxCommitBytes: {
    value: 8 * MIB,
    unit: 'bytes',
    about: 'The same, in bytes. The first turn of each caller counts, but is never cut.',
    at: 'As above.',
    affects: 'large batches',
  },
  leaseMs: {
    value: 120 * SECOND,
    unit: 'ms',
    about: 'How long a claimed event belongs to its claim: more than the 90 s that an attempt may take.',
    at: 'The event can be claimed again.',
    affects: 'the event',
  },
  claimWaitMs: {
    value: 60 * SECOND,
    unit: 'ms',
    about: 'How long a claim waits for something to fall due.',
    at: 'The deliverer asks again.',
    affects: 'no one',
  },
  maxClaimBytes: {
    value: 8 * MIB,
    unit: 'bytes',
    about: 'The payloads of one claim, without the first.',
    at: 'The rest is left for the next claim.',
    affects: 'no one',
  },
  maxWoken: {
    value: 1_000,
    unit: 'count',
    about: 'Waiting events that are made due when the sink is back.',
    at: 'The others fall due by themselves.',
    affects: 'the events',
  },
  deliveredMs: {
    value: 7 * DAY,
    unit: 'ms',
    about:
      'How long delivered events are kept, and discarded ones from then on; less if the journal is beyond `JOURNAL_MAX_BYTES` or the disk is full.',
    at: 'They are deleted, the oldest first.',
    affects: 'history',
  },
  maxCountedHours: {
    value: 1_000,
    unit: 'count',
    about: 'Hours in a count of events, the newest first: 41 days, more than anything but a pending event is kept.',
    at: 'Older hours are left out.',
    affects: 'no one',
  },
  maxRedeliveryJobs: {
    value: 100,
    unit: 'count',
    about: 'Redelivery jobs that are remembered.',
    at: 'The oldest that have ended are deleted.',
    affects: 'no one',
  },
  turnedAwayMs: {
    value: 7 * DAY,
    unit: 'ms',
    about: 'How long the counts of what was turned away are kept, for each minute, caller and reason.',
    at: 'They are deleted.',
    affects: 'history',
  },
  maxTurnedAwayCounts: {
    value: 100_000,
    unit: 'count',
    about: 'Such counts that are kept: 10 for each minute of a week.',
    at: 'The oldest are deleted.',
    affects: 'history',
  },
  maxTurnedAwaySamples: {
    value: 1_000,
    unit: 'count',
    about: 'Samples of what was turned away.',
    at: 'The oldest are deleted.',
    affects: 'history',
  },
  deadLettersMs: {
    value: 30 * DAY,
    unit: 'ms',
    about: 'How long dead letters are kept. `acr_gateway_oldest_dead_letter_seconds` warns before.',
    at: 'They are deleted.',
    affects: 'dead letters',
  },
  keysMs: {
    value: 7 * DAY,
    unit: 'ms',
    about: 'How long the journal knows what it has taken in. A key outlives an event that is deleted early.',
    at: 'The same event is accepted again.',
    affects: 'the event',
  },
  maxPending: {
    value: 0.5,
    unit: 'share',
    about:
      'Of `JOURNAL_MAX_BYTES`, or of what the disk has for the journal if that is less: the pending events of all callers, with their headers and 512 bytes more for each. More of them are kept, but then each caller has a share.',
    at: '`maxCallerPending` applies.',
    affects: 'callers beyond their share',
  },
  maxCallerPending: {
    value: 0.125,
    unit: 'share',
    about: 'Of the same: the pending events of one caller, once all together are beyond `maxPending`.',
    at: '503 with `Retry-After`, reason `share`, until some of its events are delivered.',
    affects: 'the caller',
  },
  maxCallerDeadLetters: {
    value: 0.125,
    unit: 'share',
    about: 'Of `JOURNAL_MAX_BYTES`: the dead letters of one caller, with their headers and 512 bytes more for each.',
    at: 'Its oldest dead letters are deleted, with the log line `dead_letter.pruned`.',
    affects: 'the caller',
  },
  maxDeadLetters: {
    value: 0.5,
    unit: 'share',
    about: 'Of `JOURNAL_MAX_BYTES`: all dead letters together.',
    at: 'The oldest dead letters of the caller that has most are deleted, with the log line `dead_letter.pruned`.',
    affects: 'the caller that has most',
  },
} as const satisfies LimitTable;

export const LIMITS = valuesOf(JOURNAL_LIMITS);
