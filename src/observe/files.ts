import type { ParseIssue } from '../model/parsed.ts';
import type { Log } from './log.ts';
import type { Metrics, WatchedName } from './metrics.ts';

/** Is called for the new contents of a watched file. */
export interface FileObserver {
  taken(): void;
  rejected(issues: readonly ParseIssue[]): void;
}

/** Logs and counts them. */
export function observeFile(log: Log, metrics: Metrics, file: WatchedName): FileObserver {
  return {
    taken: () => {
      metrics.count('acr_gateway_reloads_total', { file, result: 'taken' });
      log.info({ file }, 'file.reloaded');
    },
    rejected: (issues) => {
      metrics.count('acr_gateway_reloads_total', { file, result: 'rejected' });
      log.error({ file, issues }, 'file.rejected');
    },
  };
}
