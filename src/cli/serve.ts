import { environment, readSettings, warningsAbout } from '../config/read-settings.ts';
import type { Settings } from '../config/settings.ts';
import { startGateway } from '../gateway/gateway.ts';
import { createLog, type Log } from '../observe/log.ts';
import { describeError, EXIT_CODES, type ExitCode, exitCodeOf } from './exit-codes.ts';
import { Lifetime } from './lifetime.ts';
import { printError, printIssues } from './terminal.ts';
import { VERSION } from './version.ts';

/** Runs the gateway, configured by the environment, until a signal. */
export async function serve(): Promise<ExitCode> {
  const read = await readSettings(environment());
  if (read.kind === 'issues') {
    printIssues(read.issues);
    return EXIT_CODES.config.code;
  }
  const log = createLog({ level: read.value.logLevel, pretty: process.stdout.isTTY });
  log.info({ version: VERSION, node: process.versions.node }, 'gateway.starting');
  for (const warning of warningsAbout(read.value)) log.warn({ warning }, 'config.warned');
  return runGateway(read.value, log);
}

async function runGateway(settings: Settings, log: Log): Promise<ExitCode> {
  const lifetime = new Lifetime(log);
  try {
    const gateway = await startGateway({ settings, log, onFault: lifetime.onFault });
    const { ingestPort, adminPort, unboundCallers } = gateway;
    if (unboundCallers.length > 0) log.warn({ callers: unboundCallers }, 'tokens.unbound');
    log.info({ ingestPort, adminPort, tls: settings.ingest.tls !== undefined }, 'gateway.started');
    return await lifetime.run(gateway);
  } catch (error) {
    printError(describeError(error));
    return exitCodeOf(error);
  }
}
