import { parseTokens, unboundCallers } from '../auth/tokens-file.ts';
import { environment, readSettings } from '../config/read-settings.ts';
import type { Settings } from '../config/settings.ts';
import { watchFiles } from '../gateway-files.ts';
import { createLog } from '../observe/log.ts';
import { Metrics } from '../observe/metrics.ts';
import { BrigadeSink } from '../sink/brigade.ts';
import type { Probe } from '../sink/sink.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { print, printIssues } from './terminal.ts';

/** How long Brigade may take to answer; milliseconds. */
const PROBE_MS = 20_000;

/** Validates the configuration, and asks Brigade whether it would take our events. Starts nothing. */
export async function check(): Promise<ExitCode> {
  const read = await readSettings(environment(), parseTokens);
  if (read.kind === 'issues') {
    printIssues(read.issues);
    return EXIT_CODES.config.code;
  }
  print('The configuration is valid.');
  for (const warning of read.warnings) print(`Warning: ${warning}`);
  const probe = await probeBrigade(read.settings);
  print(`Brigade at ${read.settings.api.address}: ${probe.kind}: ${probe.detail}`);
  if (probe.kind === 'ready') return EXIT_CODES.ok.code;
  return probe.credentials ? EXIT_CODES.refused.code : EXIT_CODES.unavailable.code;
}

async function probeBrigade(settings: Settings): Promise<Probe> {
  const files = await watchFiles(settings, await createLog({ level: 'silent', pretty: false }), new Metrics());
  const unbound = unboundCallers(files.tokens.current());
  if (unbound.length > 0) print(`Warning: callers bound to no registry, who may speak for any: ${unbound.join(', ')}`);
  try {
    return await new BrigadeSink({ client: files.brigadeClient, now: Date.now }).probe(AbortSignal.timeout(PROBE_MS));
  } finally {
    await files.close();
  }
}
