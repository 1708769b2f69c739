const KIB = 1024;
const MIB = 1024 * KIB;

/** The limits of the ingest port. */
export interface Limits {
  /** Bytes of one body. A larger body is a 413. */
  readonly maxBodyBytes: number;
  /** Bytes of all bodies in memory. A body for which there is no room is a 503. */
  readonly maxBodyBytesInFlight: number;
  /** Bytes of request line and headers together; also of the trailers and of the chunk extensions. More is a 431. */
  readonly maxHeaderBytes: number;
  /** Number of headers of one request. More is a 431. */
  readonly maxHeaders: number;
  /** From the first byte of a request, or a new connection, to the end of its headers. Also for a whole TLS handshake. */
  readonly headersTimeoutMs: number;
  /** From the first byte of a request to the last of its body. */
  readonly requestTimeoutMs: number;
  /** How often the two time-outs above are checked. They may last longer by as much. */
  readonly timeoutCheckMs: number;
  /** How long a connection is kept without a request. */
  readonly idleTimeoutMs: number;
  /** And how much longer than the gateway announces in `Keep-Alive`, so that a request sent at the last moment is answered. */
  readonly idleGraceMs: number;
  /** How long a connection is kept with a request but no byte in either direction: the client does not read its answer. */
  readonly stallTimeoutMs: number;
  readonly maxConnections: number;
  /** After an early answer: how many bytes of the rest of the request are read and dropped, so that the client gets the answer. */
  readonly lingerBytes: number;
  /** And for how long. */
  readonly lingerMs: number;
}

export const DEFAULT_LIMITS: Limits = {
  // A push has 600 bytes. The largest webhook, an Event Grid batch, has at most 1 MB.
  maxBodyBytes: 2 * MIB,
  // 32 bodies of the largest size, or 100,000 pushes: an eighth of a pod with 512 MiB.
  maxBodyBytesInFlight: 64 * MIB,
  // An Entra ID token takes 2 KiB.
  maxHeaderBytes: 16 * KIB,
  // A proxied webhook has about 20.
  maxHeaders: 100,
  // ACR gives up on the whole request after 5 s.
  headersTimeoutMs: 10_000,
  // For a body of 2 MiB this allows a client as slow as 70 kB/s.
  requestTimeoutMs: 30_000,
  timeoutCheckMs: 1_000,
  // More than the 60 s for which nginx keeps an upstream connection. If the gateway closed first, a webhook that nginx
  // sends at that moment would be lost.
  idleTimeoutMs: 75_000,
  idleGraceMs: 1_000,
  // More than the slowest receipt takes: an append of 4 s after 3 s of fetching keys.
  stallTimeoutMs: 30_000,
  // An idle connection takes 21 KiB, so all of them take less than 100 MiB.
  maxConnections: 4_096,
  // What a client that writes before it reads has sent by then.
  lingerBytes: MIB,
  lingerMs: 1_000,
};

/** How long a closing port waits for the requests under way, milliseconds. ACR waits as long for its answer. */
export const CLOSE_GRACE_MS = 5_000;

/** `Retry-After` of a 503, seconds: about what a journal or a key server needs to recover. */
export const RETRY_AFTER_SECONDS = 5;

/** Number of addresses in `X-Forwarded-For` that are read, from the right. */
export const MAX_FORWARDED_HOPS = 16;

/** Characters of `User-Agent` that are reported. */
export const MAX_USER_AGENT_CHARS = 200;
