import { setTimeout as sleep } from 'node:timers/promises';
import type { Maintenance } from '../journal/journal.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';

/** How often the journal is pruned, and the pause between two steps, milliseconds. */
const PRUNING = { everyMs: 10_000, pauseMs: 50 };

/** Prunes the journal in small steps, so that appends and claims do not wait, until the signal is aborted. */
export async function pruneLoop(
  maintenance: Maintenance,
  log: Log,
  metrics: Metrics,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const mayBeMore = await pruneStep(maintenance, log, metrics).catch((error: unknown) => {
      log.error({ err: error }, 'prune.faulted');
      return false;
    });
    await sleep(mayBeMore ? PRUNING.pauseMs : PRUNING.everyMs, undefined, { signal, ref: false }).catch(() => {
      // An abort ends the pause.
    });
  }
}

async function pruneStep(maintenance: Maintenance, log: Log, metrics: Metrics): Promise<boolean> {
  const { mayBeMore, early } = await maintenance.prune();
  for (const [caller, count] of early) {
    log.warn({ caller, count }, 'dead_letter.pruned');
    metrics.count('acr_gateway_pruned_dead_letters_total', undefined, count);
  }
  return mayBeMore;
}
