import { type LimitTable, valuesOf } from '../model/limit.ts';

const KIB = 1024;

/** The limits of the admin port. */
export const ADMIN_LIMITS = {
  maxConnections: {
    value: 256,
    unit: 'count',
    about: 'Open connections. Operators, probes and Prometheus together need a few.',
    at: 'A new connection closes the oldest one, so that a probe is answered even if one client holds all the others.',
    affects: 'the oldest connection',
  },
  maxBodyBytes: {
    value: 64 * KIB,
    unit: 'bytes',
    about: 'One body. Requests are lists of numbers.',
    at: '413.',
    affects: 'the request',
  },
  maxHeaderBytes: {
    value: 16 * KIB,
    unit: 'bytes',
    about: 'Request line and headers together.',
    at: '431, and the connection is closed.',
    affects: 'the connection',
  },
  requestTimeoutMs: {
    value: 5_000,
    unit: 'ms',
    about: 'From the first byte of a request to the last of its body. The headers alone may take as long.',
    at: '408, and the connection is closed.',
    affects: 'the connection',
  },
  timeoutCheckMs: {
    value: 1_000,
    unit: 'ms',
    about: 'How often that time-out is checked.',
    at: 'It may last longer by as much.',
    affects: 'no one',
  },
  defaultListed: {
    value: 50,
    unit: 'count',
    about: 'Dead letters in an answer, where the request does not say how many.',
    at: 'The others are on the next page.',
    affects: 'the request',
  },
  maxListed: {
    value: 500,
    unit: 'count',
    about: 'Dead letters in an answer.',
    at: '400 for a request that asks for more.',
    affects: 'the request',
  },
  maxRedelivered: {
    value: 100,
    unit: 'count',
    about: 'Events that one request may redeliver.',
    at: '400.',
    affects: 'the request',
  },
  redeliveryPauseMs: {
    value: 20,
    unit: 'ms',
    about:
      'Between two events that one request redelivers: at most 50 a second, so that a mistake does not overload the sink.',
    at: 'The next event waits.',
    affects: 'the request',
  },
} as const satisfies LimitTable;

export const LIMITS = valuesOf(ADMIN_LIMITS);
