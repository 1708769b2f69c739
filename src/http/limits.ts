import { type LimitTable, type LimitValues, valuesOf } from '../model/limit.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/**
 * The limits of the ingest port. *Anonymous*: not authenticated. A connection is anonymous until a request on it is
 * authenticated, and a trusted proxy's connection never is.
 */
export const LIMITS = {
  maxConnections: {
    value: 1_024,
    unit: 'count',
    about:
      'Open connections. An idle one takes 80 KiB with TLS and 36 KiB without (`npx node bench/connections.ts`), so that all of them take 80 MiB.',
    at: 'A new connection takes the place of another one: of an address that exceeds its share, else of any. The oldest anonymous one is closed; if there is none, or if more than half of all are idle, the oldest idle one. A connection with an authenticated webhook in flight is never closed: if all are such, the new one is.',
    affects: 'addresses beyond their share, then anonymous and idle clients',
  },
  connectionsPerAddress: {
    value: 64,
    unit: 'count',
    about:
      'The share of one IPv4 address, or of one /64 of IPv6, of these connections. Trusted proxies have no such limit. An address can stand for many clients: a load balancer may replace theirs with its own.',
    at: 'It may have more as long as there is room. Without room, its connections are closed first.',
    affects: 'the address',
  },
  backlog: {
    value: 4_096,
    unit: 'count',
    about:
      'Connections that the kernel has completed and the gateway has not accepted yet; the kernel’s `net.core.somaxconn` may be lower. Enough for half a second of a flood.',
    at: 'The kernel drops the packet, and the client repeats it after a second.',
    affects: 'everyone who connects during a flood of connections',
  },
  acceptsPerTurn: {
    value: 64,
    unit: 'count',
    about:
      'Connections that the gateway accepts in one turn of its event loop. Beside batches, few turns take more than 20 ms: 3,200 connections a second. On systems other than Linux it is 1.',
    at: 'The others wait for the next turn.',
    affects: 'everyone who connects during a flood of connections',
  },
  maxUnansweredRequests: {
    value: 4,
    unit: 'count',
    about:
      'Requests on one connection that wait for their answer. Registries do not send the next one before the answer.',
    at: 'The connection is closed, and what else has arrived on it is dropped.',
    affects: 'the connection',
  },
  maxUnreadBytes: {
    value: 64 * KIB,
    unit: 'bytes',
    about: 'Answers on one connection that the client has not read when it sends another request.',
    at: 'The connection is closed, and the request is dropped.',
    affects: 'the connection',
  },
  maxCallerRequests: {
    value: 512,
    unit: 'count',
    about:
      'Webhooks of one caller in flight: from its authentication until the answer is sent. Many installations have one caller for all registries, and ACR does not repeat what is rejected; the other half of all connections is for the others.',
    at: '429 with `Retry-After`.',
    affects: 'the caller',
  },
  maxBodyBytes: {
    value: 2 * MIB,
    unit: 'bytes',
    about:
      'One body; `MAX_BODY_BYTES` changes it, up to 16 MiB. A push has 600 bytes; the largest webhook, an Event Grid batch, has at most 1 MB.',
    at: '413.',
    affects: 'the webhook',
  },
  maxBodyBytesInFlight: {
    value: 64 * MIB,
    unit: 'bytes',
    about:
      'All bodies of callers in flight, charged as they arrive: an eighth of a pod with 512 MiB. The last quarter is reserved for callers that use no more than one `maxBodyBytes`, which is therefore at most 16 MiB.',
    at: '503 with `Retry-After`.',
    affects: 'callers that use more than one `maxBodyBytes`',
  },
  maxCallerBodyBytes: {
    value: 40 * MIB,
    unit: 'bytes',
    about:
      'Bodies of one caller in flight, charged as they arrive; at least one `maxBodyBytes`. Enough for 40 of the largest Event Grid batches; other callers have the reserve.',
    at: '503 with `Retry-After`.',
    affects: 'the caller',
  },
  maxAnonymousBodyBytes: {
    value: MIB,
    unit: 'bytes',
    about:
      'All bodies of anonymous handshakes in flight: no other anonymous body is read. The last quarter is reserved for addresses that use no more than 4 KiB; Event Grid’s validation has 1 KiB.',
    at: '503 with `Retry-After`.',
    affects: 'anonymous handshakes',
  },
  maxAnonymousBodyBytesPerAddress: {
    value: 256 * KIB,
    unit: 'bytes',
    about:
      'The same for one address. An ingress that is not in `TRUSTED_PROXIES` is one address for all clients behind it.',
    at: '503 with `Retry-After`.',
    affects: 'anonymous handshakes from the address',
  },
  maxSmallParts: {
    value: 256,
    unit: 'count',
    about:
      'Chunks or packets of one body, whatever their size. Each costs as much as a large one. Beyond them, `minPartBytes` applies.',
    at: 'The connection is closed, if the parts are smaller than `minPartBytes` on average.',
    affects: 'the connection',
  },
  minPartBytes: {
    value: 32,
    unit: 'bytes',
    about: 'The least average size of further chunks or packets. Clients and proxies send buffers of 1 KiB and more.',
    at: 'The connection is closed.',
    affects: 'the connection',
  },
  maxHeaderBytes: {
    value: 16 * KIB,
    unit: 'bytes',
    about:
      'Request line and headers together; also the trailers, and the chunk extensions. An Entra ID token takes 2 KiB.',
    at: '431; for chunk extensions 413. The connection is closed.',
    affects: 'the connection',
  },
  maxHeaders: {
    value: 100,
    unit: 'count',
    about: 'Headers of one request. A proxied webhook has about 20.',
    at: '431, and the connection is closed.',
    affects: 'the connection',
  },
  headersTimeoutMs: {
    value: 5_000,
    unit: 'ms',
    about:
      'From the first byte of a request, or a new connection, to the end of its headers. Also for a whole TLS handshake. ACR gives up on the whole request after 5 s.',
    at: '408, and the connection is closed.',
    affects: 'the connection',
  },
  requestTimeoutMs: {
    value: 30_000,
    unit: 'ms',
    about: 'From the first byte of a request to the last of its body. A body of 2 MiB may arrive as slowly as 70 kB/s.',
    at: '408, and the connection is closed.',
    affects: 'the connection',
  },
  timeoutCheckMs: {
    value: 1_000,
    unit: 'ms',
    about: 'How often the two time-outs above are checked.',
    at: 'They may last longer by as much.',
    affects: 'no one',
  },
  idleTimeoutMs: {
    value: 75_000,
    unit: 'ms',
    about:
      'How long a connection is kept without a request, once a request on it was authenticated or if it is a trusted proxy’s. nginx keeps an upstream connection for 60 s; if the gateway closed first, a webhook that nginx sends at that moment would be lost.',
    at: 'The connection is closed. An anonymous connection closes with its first answer.',
    affects: 'the connection',
  },
  idleGraceMs: {
    value: 1_000,
    unit: 'ms',
    about:
      'How much longer than the gateway announces in `Keep-Alive`, so that a request sent at the last moment is answered.',
    at: 'The connection is closed.',
    affects: 'the connection',
  },
  stallTimeoutMs: {
    value: 30_000,
    unit: 'ms',
    about:
      'How long a connection is kept with a request but no byte in either direction. The slowest receipt takes 7 s: an append of 4 s after 3 s of fetching keys.',
    at: 'The connection is closed.',
    affects: 'the connection',
  },
  lingerBytes: {
    value: MIB,
    unit: 'bytes',
    about:
      'After an early answer: how much of the rest of the request is read and dropped. A client that writes before it reads has sent as much by then, and gets the answer.',
    at: 'The connection is closed.',
    affects: 'the connection',
  },
  lingerMs: {
    value: 1_000,
    unit: 'ms',
    about: 'And for how long.',
    at: 'The connection is closed.',
    affects: 'the connection',
  },
  closeGraceMs: {
    value: 5_000,
    unit: 'ms',
    about: 'How long a closing port waits for the requests in flight. ACR waits as long for its answer.',
    at: 'The connection is closed.',
    affects: 'clients that wait for an answer',
  },
  retryAfterSeconds: {
    value: 5,
    unit: 's',
    about: '`Retry-After` of a 429 and a 503: about what a journal or a key server needs to recover.',
    at: 'The caller may send the webhook again.',
    affects: 'the caller',
  },
  maxForwardedHops: {
    value: 16,
    unit: 'count',
    about: 'Addresses of `X-Forwarded-For` that are read, from the right.',
    at: 'The others are ignored.',
    affects: 'the request',
  },
  maxUserAgentChars: {
    value: 200,
    unit: 'characters',
    about: '`User-Agent` in the log.',
    at: 'Cut off.',
    affects: 'the log line',
  },
} as const satisfies LimitTable;

export type Limits = LimitValues<typeof LIMITS>;

export const DEFAULT_LIMITS: Limits = valuesOf(LIMITS);
