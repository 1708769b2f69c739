import { type LimitTable, valuesOf } from '../model/limit.ts';

/** The limits on what one webhook takes of the process and of the journal. */
export const RECEIVE_LIMITS = {
  maxValuesAtOnce: {
    value: 200,
    unit: 'count',
    about:
      'Values in a webhook, by its commas, up to which it takes no turn: an event has about 20. Parsed, a batch takes ten times its bytes, so that a caller’s batches are parsed, judged and appended one at a time.',
    at: 'The webhook waits until earlier ones of its caller are answered. `appendMs` of the journal counts from when its body has arrived, with this wait.',
    affects: 'the caller',
  },
  maxLateEvents: {
    value: 10,
    unit: 'count',
    about:
      'Events that are still read of a webhook whose `appendMs` are over before it is appended, for the log line `webhook.lost`.',
    at: 'The others are not read.',
    affects: 'the log line',
  },
  sliceMs: {
    value: 2,
    unit: 'ms',
    about: 'How long the events of one webhook are decoded and judged without a pause.',
    at: 'Other requests are served first.',
    affects: 'the webhook',
  },
  growthFactor: {
    value: 3,
    unit: 'count',
    about:
      'How many times its own bytes, with its headers, a webhook may take of the journal. Each event takes about 300 bytes there, and its own twice: as it came, and as it was read. So the events of a batch need about 300 bytes each; the smallest that a registry sends in a batch has 560. Other limits on their size are not needed: neither `[1,2,3,…]` nor `1e20`, which is written out as 21 digits, fills the journal.',
    at: '400.',
    affects: 'the webhook',
  },
  minGrowthBytes: {
    value: 704,
    unit: 'bytes',
    about: 'What it may take in any case: one event, however small.',
    at: '400, together with `growthFactor`.',
    affects: 'the webhook',
  },
  maxKeptHeaderChars: {
    value: 512,
    unit: 'characters',
    about:
      'The value of a header that the journal keeps. An attribute of a CloudEvent that is longer is unreadable, so none is cut off.',
    at: 'Cut off.',
    affects: 'the record',
  },
  maxKeptHeadersChars: {
    value: 4_096,
    unit: 'characters',
    about:
      'All headers of one webhook that the journal keeps, with their names. The attributes of a CloudEvent come first; they have at most 3,124.',
    at: 'A header that does not fit is not kept.',
    affects: 'the record',
  },
  maxListedIssues: {
    value: 5,
    unit: 'count',
    about: 'Issues in the detail of a dead letter.',
    at: 'The others are left out.',
    affects: 'the dead letter',
  },
} as const satisfies LimitTable;

export const LIMITS = valuesOf(RECEIVE_LIMITS);
