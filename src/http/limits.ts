const KIB = 1024;
const MIB = 1024 * KIB;

/** Every bound of the ingest port. */
export interface Limits {
  /** Bytes of one body; one more is a 413. */
  readonly maxBodyBytes: number;
  /** Bytes of all bodies held at once; what does not fit is a 503. */
  readonly maxBodyBytesInFlight: number;
  /** Bytes of a request's line and headers together, and of the trailers and chunk extensions of its body. */
  readonly maxHeaderBytes: number;
  /** Headers of one request. */
  readonly maxHeaders: number;
  /** From the first byte of a request (or a new connection) to the end of its headers; also a whole TLS handshake. */
  readonly headersTimeoutMs: number;
  /** From the first byte of a request to the last of its body. */
  readonly requestTimeoutMs: number;
  /** How often connections are held against the two time-outs above, which may overrun by as much. */
  readonly timeoutCheckMs: number;
  /** A kept-alive connection without a request. */
  readonly idleTimeoutMs: number;
  /** A connection on which no byte moves although a request is open: a reader who does not read. */
  readonly stallTimeoutMs: number;
  readonly maxConnections: number;
  /** Of a body that is not wanted, what is still read and dropped so that the sender gets to see the answer. */
  readonly lingerBytes: number;
  /** How long it is. */
  readonly lingerMs: number;
}

export const DEFAULT_LIMITS: Limits = {
  // A push has 600 bytes; an Event Grid batch, the largest thing anybody sends us, at most 1 MB.
  maxBodyBytes: 2 * MIB,
  // 32 of the largest bodies or 100,000 pushes: an eighth of a 512 MiB pod.
  maxBodyBytesInFlight: 64 * MIB,
  // An Entra token takes 2 KiB of them.
  maxHeaderBytes: 16 * KIB,
  // A proxied webhook has about 20.
  maxHeaders: 100,
  // ACR gives up on the whole request after 5 s.
  headersTimeoutMs: 10_000,
  // 2 MiB in 30 s are 70 kB/s.
  requestTimeoutMs: 30_000,
  timeoutCheckMs: 1_000,
  // More than the 60 s for which nginx keeps an upstream connection: were we first to close, a webhook
  // sent into the closing connection would be lost.
  idleTimeoutMs: 75_000,
  // More than the slowest receipt takes (an append of 4 s after keys that had to be fetched).
  stallTimeoutMs: 30_000,
  // Kept alive, each takes 21 KiB: less than 100 MiB in all.
  maxConnections: 4_096,
  // What a sender that writes before it reads has under way.
  lingerBytes: MIB,
  lingerMs: 1_000,
};

/** How long a closing port waits for the requests that it is answering, milliseconds: the longest that a sender waits. */
export const CLOSE_GRACE_MS = 5_000;

/** Seconds that a 503 asks its sender to wait: about what a journal or key server needs to come back. */
export const RETRY_AFTER_SECONDS = 5;

/** Hops of `X-Forwarded-For` that are looked at, from the right. */
export const MAX_FORWARDED_HOPS = 16;

/** Characters of a sender's `User-Agent` that are reported. */
export const MAX_USER_AGENT_CHARS = 200;
