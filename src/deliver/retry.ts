import type { Decision, DeliveryHistory, Outcome } from '../model/delivery.ts';

/** Back-off while the sink is unavailable: 1, 2, 4, … s up to 5 min, each a random part of it (full jitter). */
const BACKOFF = { firstMs: 1000, maxMs: 300_000 };

/**
 * Waits before the retries of an attempt that the sink may have taken: 1, 2, 4, 8 and 15 minutes, each up to a half longer.
 * There are only five: a Brigade that fails halfway through creating its events starts the same workers each time.
 */
const UNCERTAIN_WAITS_MS: readonly number[] = [60_000, 120_000, 240_000, 480_000, 900_000];

/** The wait after an attempt with rejected credentials, up to twice as long. */
const CREDENTIALS_WAIT_MS = 30_000;

/** For how long an event is retried while the sink is unavailable. */
export const MAX_AGE_MS = 7 * 86_400_000;

export interface Circumstances {
  /** By the journal's time. */
  readonly now: number;
  /** The part of the event's age for which our credentials were rejected, milliseconds: it does not count. */
  readonly excusedMs: number;
  /** A number in [0, 1). */
  readonly random: number;
}

/** What follows from an attempt. Pure. */
export function decide(outcome: Outcome, history: DeliveryHistory, circumstances: Circumstances): Decision {
  switch (outcome.kind) {
    case 'delivered':
      return { kind: 'complete' };
    case 'rejected':
      return { kind: 'dead-letter', reason: 'rejected' };
    case 'uncertain':
      return afterUncertain(history, circumstances);
    case 'unavailable':
      return outcome.credentials === true
        ? afterRejectedCredentials(history, circumstances)
        : afterUnavailable(history, circumstances, outcome.retryAfterMs ?? 0);
  }
}

function afterUncertain(history: DeliveryHistory, { now, random, excusedMs }: Circumstances): Decision {
  const wait = UNCERTAIN_WAITS_MS[history.uncertain];
  if (wait === undefined) return { kind: 'dead-letter', reason: 'uncertain' };
  const counted = count(history, now, excusedMs);
  const at = now + Math.round(wait * (1 + random / 2));
  return { kind: 'retry', at, history: { ...counted, uncertain: history.uncertain + 1 } };
}

function afterUnavailable(
  history: DeliveryHistory,
  { now, random, excusedMs }: Circumstances,
  retryAfterMs: number,
): Decision {
  const counted = count(history, now, excusedMs);
  if (now - counted.agesFrom >= MAX_AGE_MS) return { kind: 'dead-letter', reason: 'expired' };
  const ceiling = Math.min(BACKOFF.maxMs, BACKOFF.firstMs * 2 ** Math.min(history.attempts, 20));
  return { kind: 'retry', at: now + Math.max(retryAfterMs, Math.round(ceiling * random)), history: counted };
}

/** Costs the event neither an attempt nor age. */
function afterRejectedCredentials(history: DeliveryHistory, { now, random }: Circumstances): Decision {
  const waited = now - Math.max(history.lastAttemptAt, history.agesFrom);
  const at = now + Math.round(CREDENTIALS_WAIT_MS * (1 + random));
  return { kind: 'retry', at, history: { ...history, agesFrom: history.agesFrom + waited, lastAttemptAt: now } };
}

function count(history: DeliveryHistory, now: number, excusedMs: number): DeliveryHistory {
  return {
    ...history,
    attempts: history.attempts + 1,
    agesFrom: Math.min(now, history.agesFrom + excusedMs),
    lastAttemptAt: now,
  };
}
