import type { Clock } from '../model/clock.ts';
import type { Claim } from '../model/delivery.ts';
import type { Explainer } from '../sink/sink.ts';
import { eventFields } from './event-fields.ts';
import type { Log } from './log.ts';

/** The events of one action and repository are explained once in so many milliseconds. */
const WINDOW_MS = 60_000;

/** The most lines in that time: a caller chooses the names of its repositories. */
const MAX_LINES = 100;

/** Logs why no project subscribes to an event that was delivered: in a line of its own, so that nothing waits for the reason. */
export function observeUnmatched(
  log: Log,
  explain: Explainer['explain'],
  clock: Pick<Clock, 'tick'>,
): (claim: Claim) => void {
  const explained = new Set<string>();
  let windowEndsAt = 0;
  return ({ seq, caller, event }) => {
    if (clock.tick() >= windowEndsAt) {
      explained.clear();
      windowEndsAt = clock.tick() + WINDOW_MS;
    }
    const shape = JSON.stringify([event.action, event.registry, event.repository]);
    if (explained.has(shape) || explained.size >= MAX_LINES) return;
    explained.add(shape);
    explain(event).then(
      (whyNot) => log.info({ seq, caller, ...eventFields(event), ...whyNot }, 'event.unmatched'),
      (error: unknown) => log.error({ seq, err: error }, 'event.unmatched'),
    );
  };
}
