import { setTimeout as sleep } from 'node:timers/promises';
import type { Maintenance } from '../journal/journal.ts';
import type { Log } from '../observe/log.ts';

/** How often the journal is pruned, and the pause between two steps, milliseconds. */
const PRUNING = { everyMs: 10_000, pauseMs: 50 };

/** Prunes the journal in small steps, so that appends and claims do not wait, until the signal is aborted. */
export async function pruneLoop(maintenance: Maintenance, log: Log, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const mayBeMore = await maintenance.prune(Date.now()).then(
      (pruned) => pruned.mayBeMore,
      (error: unknown) => {
        log.error({ err: error }, 'prune.faulted');
        return false;
      },
    );
    await sleep(mayBeMore ? PRUNING.pauseMs : PRUNING.everyMs, undefined, { signal, ref: false }).catch(() => {
      // An abort ends the pause.
    });
  }
}
