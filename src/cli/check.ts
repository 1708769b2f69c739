import { environment, readSettings, warningsAbout } from '../config/read-settings.ts';
import type { Settings } from '../config/settings.ts';
import { createSink } from '../gateway/connect-sink.ts';
import { type GatewayFiles, unboundCallers, watchFiles } from '../gateway/files.ts';
import { createLog } from '../observe/log.ts';
import { Metrics } from '../observe/metrics.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import type { ExplainOptions } from './explain.ts';
import { print, printIssues } from './terminal.ts';

/** How long Brigade may take to answer; milliseconds. */
const PROBE_MS = 20_000;

/**
 * Validates the configuration, and asks Brigade whether it would take our events; or explains what would become of a saved
 * webhook. Starts nothing.
 */
export async function check(options: Partial<ExplainOptions> = {}): Promise<ExitCode> {
  const read = await readSettings(environment());
  if (read.kind === 'issues') {
    printIssues(read.issues);
    return EXIT_CODES.config.code;
  }
  const { value: settings } = read;
  const files = await watchFiles(settings, await createLog({ level: 'silent', pretty: false }), new Metrics());
  try {
    const { explain: path } = options;
    if (path !== undefined) return await (await import('./explain.ts')).explain({ ...options, explain: path }, files);
    return await checkDelivery(settings, warningsAbout(settings), files);
  } finally {
    await files.close();
  }
}

async function checkDelivery(settings: Settings, warnings: readonly string[], files: GatewayFiles): Promise<ExitCode> {
  print('The configuration is valid.');
  for (const warning of warnings) print(`Warning: ${warning}`);
  const unbound = unboundCallers(files.callers.current());
  if (unbound.length > 0) print(`Warning: callers bound to no registry, who may speak for any: ${unbound.join(', ')}`);
  const probe = await createSink(settings.sink, files.sink).probe(AbortSignal.timeout(PROBE_MS));
  const name = settings.sink.kind === 'brigade' ? 'Brigade' : 'CloudEvents receiver';
  print(`${name} at ${settings.sink.address}: ${probe.kind}: ${probe.detail}`);
  if (probe.kind === 'ready') return EXIT_CODES.ok.code;
  return probe.credentials ? EXIT_CODES.rejected.code : EXIT_CODES.unavailable.code;
}
