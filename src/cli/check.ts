import type { Callers } from '../auth/callers.ts';
import { environment, readSettings, warningsAbout } from '../config/read-settings.ts';
import type { Settings } from '../config/settings.ts';
import { connectSink } from '../gateway/connect-sink.ts';
import { FileWatcher, unboundCallers, watchCallers } from '../gateway/watched-files.ts';
import { printable } from '../model/printable.ts';
import { createLog } from '../observe/log.ts';
import { Metrics } from '../observe/metrics.ts';
import type { Sink } from '../sink/sink.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { print, printIssues } from './terminal.ts';

/** How long the sink may take to answer, milliseconds. */
export const PROBE_MS = 20_000;

/** Validates the configuration and asks the sink whether it takes our events. Starts nothing. */
export async function check(): Promise<ExitCode> {
  const read = await readSettings(environment());
  if (read.kind === 'issues') {
    printIssues(read.issues);
    return EXIT_CODES.config.code;
  }
  const { value: settings } = read;
  await using opened = new AsyncDisposableStack();
  const log = createLog({ level: 'silent', pretty: false });
  const watcher = opened.use(new FileWatcher(log, new Metrics()));
  const callers = await watchCallers(settings, watcher, log);
  const { sink } = await connectSink(settings.sink, watcher);
  opened.defer(() => sink.close());
  return await checkDelivery(settings, callers.current(), sink);
}

async function checkDelivery(settings: Settings, callers: Callers, sink: Sink): Promise<ExitCode> {
  print('The configuration is valid.');
  for (const warning of warningsAbout(settings)) print(`Warning: ${warning}`);
  const unbound = unboundCallers(callers);
  if (unbound.length > 0)
    print(`Warning: callers without a registry, which may send events of any: ${unbound.join(', ')}`);
  const probe = await sink.probe(AbortSignal.timeout(PROBE_MS));
  const name = settings.sink.kind === 'brigade' ? 'Brigade' : 'CloudEvents receiver';
  print(printable(`${name} at ${settings.sink.address}: ${probe.kind}: ${probe.detail}`));
  if (probe.kind === 'ready') return EXIT_CODES.ok.code;
  return probe.credentials ? EXIT_CODES.rejected.code : EXIT_CODES.unavailable.code;
}
