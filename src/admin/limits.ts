import { type LimitTable, valuesOf } from '../model/limit.ts';

const KIB = 1024;
const HOUR = 3_600_000;

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
    about: 'One body. Requests are lists of numbers, or a filter.',
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
    about: 'Events in an answer, where the request does not say how many.',
    at: 'The others are on the next page.',
    affects: 'the request',
  },
  maxListed: {
    value: 500,
    unit: 'count',
    about: 'Events in an answer.',
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
  defaultPerSecond: {
    value: 50,
    unit: 'count',
    about: 'Events that a redelivery by filter redelivers in a second, where the request does not say how many.',
    at: 'The next event waits.',
    affects: 'the redelivery',
  },
  maxPerSecond: {
    value: 200,
    unit: 'count',
    about: 'The same, at most.',
    at: '400 for a request that asks for more.',
    affects: 'the request',
  },
  maxDiscarded: {
    value: 1_000,
    unit: 'count',
    about: 'Dead letters that one request discards by filter.',
    at: 'The answer says that there are more.',
    affects: 'the request',
  },
  sessionMs: {
    value: 12 * HOUR,
    unit: 'ms',
    about: 'How long a browser stays logged in.',
    at: 'It has to log in again.',
    affects: 'the session',
  },
  maxSessions: {
    value: 256,
    unit: 'count',
    about: 'Browsers that are logged in.',
    at: 'The oldest session ends.',
    affects: 'the oldest session',
  },
  loginCodeMs: {
    value: HOUR,
    unit: 'ms',
    about: 'For how long the link that `dev` prints logs in. It does so once.',
    at: 'Log in with the admin token.',
    affects: 'the link',
  },
  maxStreams: {
    value: 32,
    unit: 'count',
    about: 'Live views, which are open answers of `GET /api/stream`.',
    at: '503.',
    affects: 'the request',
  },
  streamMs: {
    value: 2_000,
    unit: 'ms',
    about: 'Between two messages of a live view.',
    at: 'What changes meanwhile is sent together.',
    affects: 'no one',
  },
  maxStreamedEvents: {
    value: 50,
    unit: 'count',
    about: 'Events that are sent together to a live view.',
    at: 'The newest are sent.',
    affects: 'the live view',
  },
} as const satisfies LimitTable;

export const LIMITS = valuesOf(ADMIN_LIMITS);
