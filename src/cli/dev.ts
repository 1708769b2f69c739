import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type EmbeddedBrigade, startEmbeddedBrigade } from 'embedded-brigade';
import { describeIssues, EventScreen } from 'embedded-brigade/event-screen';
import { describeFault, EmbeddedBrigadeFault, FAULT_EXIT_CODES } from 'embedded-brigade/fault';
import { WatchedProjects } from 'embedded-brigade/project-files';
import { environment, readDevSettings } from '../config/read-settings.ts';
import type { DevSettings, Settings } from '../config/settings.ts';
import { type Gateway, startGateway } from '../gateway/gateway.ts';
import { createLog, type Log } from '../observe/log.ts';
import { unmatchedSubscriptions } from '../sink/brigade/unmatched-subscriptions.ts';
import { type DevFiles, prepareDevFiles, provideBrigadeToken } from './dev-files.ts';
import { describeError, EXIT_CODES, type ExitCode, exitCodeOf } from './exit-codes.ts';
import { Lifetime } from './lifetime.ts';
import { print, printError, printIssues } from './terminal.ts';

const EXAMPLES = fileURLToPath(new URL('../../examples', import.meta.url));

export interface DevOptions {
  /** Folder of YAML files. */
  readonly projects?: string;
}

/** Runs gateway and embedded Brigade in one process, on loopback, until a signal. Creates what it needs on first start. */
export async function dev(options: DevOptions): Promise<ExitCode> {
  const read = await readDevSettings(environment());
  if (read.kind === 'issues') {
    printIssues(read.issues);
    return EXIT_CODES.config.code;
  }
  const log = createLog({ level: read.value.logLevel, pretty: process.stdout.isTTY });
  const lifetime = new Lifetime(log);
  let brigade: EmbeddedBrigade | undefined;
  let projects: WatchedProjects | undefined;
  try {
    const files = await prepareDevFiles(resolve(read.value.dataDir));
    projects = await watchProjects(resolve(options.projects ?? EXAMPLES), log);
    brigade = await startBrigade(read.value, files, projects, log);
    const settings = gatewaySettings(read.value, files, brigade.address);
    const gateway = await startGateway({ settings, log, onFault: lifetime.onFault });
    const rootPasswordPath = read.value.rootPassword ? 'BRIGADE_ROOT_PASSWORD' : files.rootPasswordPath;
    welcome(gateway, brigade.address, { ...files, rootPasswordPath }, projects);
    return await lifetime.run(gateway);
  } catch (error) {
    if (error instanceof EmbeddedBrigadeFault) {
      printError(describeFault(error));
      return FAULT_EXIT_CODES[error.code];
    }
    printError(describeError(error));
    return exitCodeOf(error);
  } finally {
    projects?.close();
    await brigade?.close();
  }
}

async function watchProjects(folder: string, log: Log): Promise<WatchedProjects> {
  const watched = await WatchedProjects.open({
    folder,
    examine: unmatchedSubscriptions,
    onChange: (loaded) => {
      print(`projects → ${loaded.projects.length} in ${shown(folder)}, read again because files changed`);
      describeIssues(loaded).forEach(printError);
    },
    onFault: (error) => log.error({ err: error }, 'embedded_brigade.faulted'),
  });
  describeIssues(watched.current()).forEach(printError);
  return watched;
}

async function startBrigade(
  { brigadePort, rootPassword = '' }: DevSettings,
  files: DevFiles,
  projects: WatchedProjects,
  log: Log,
): Promise<EmbeddedBrigade> {
  const { onEvent, ...screen } = new EventScreen(print);
  const brigade = await startEmbeddedBrigade({
    port: brigadePort,
    database: join(files.folder, 'brigade.db'),
    rootPassword: rootPassword || files.rootPassword,
    projects: () => projects.current().projects,
    workers: { folder: join(files.folder, 'workers'), ...screen },
    onEvent,
    onFault: (error) => log.error({ err: error }, 'embedded_brigade.faulted'),
  });
  await provideBrigadeToken(files, brigade);
  return brigade;
}

function gatewaySettings(
  { port, adminPort, logLevel, inEffect, traces }: DevSettings,
  files: DevFiles,
  address: string,
): Settings {
  return {
    configPath: undefined,
    sink: {
      kind: 'brigade',
      address,
      token: { kind: 'file', path: files.brigadeTokenPath },
      caPath: undefined,
      ignoreCertWarnings: false,
    },
    tokensPath: files.tokensPath,
    ingest: {
      host: '127.0.0.1',
      port,
      tls: undefined,
      maxBodyBytes: 2 * 1024 * 1024,
      handshakeCredentials: 'optional',
      contentWindow: { ms: 0, regions: 'together' },
      trustedProxies: [],
      shutdownDelayMs: 0,
    },
    admin: {
      host: '127.0.0.1',
      port: adminPort,
      token: { kind: 'file', path: files.adminTokenPath },
      tokensPath: undefined,
      allowedHosts: ['localhost', '127.0.0.1', '[::1]'],
    },
    journal: {
      location: { kind: 'sqlite', path: join(files.folder, 'journal.db') },
      allowNetworkFs: false,
      reserveBytes: 64 * 1024 * 1024,
      maxBytes: 256 * 1024 * 1024,
    },
    logLevel,
    inEffect,
    traces,
  };
}

/** Relative to the working directory. */
function shown(folder: string): string {
  return relative(process.cwd(), folder) || '.';
}

function welcome(gateway: Gateway, brigadeAddress: string, files: DevFiles, watched: WatchedProjects): void {
  const { ingestPort, adminPort } = gateway;
  print(`
brigade-acr-gateway is running, with an embedded Brigade for this machine alone.

  webhooks   http://127.0.0.1:${ingestPort}/events
  admin      http://127.0.0.1:${adminPort}  (token in ${files.adminTokenPath})
  Brigade    ${brigadeAddress}  (password of root in ${files.rootPasswordPath})
  projects   ${watched.current().projects.length} from ${shown(watched.folder)}
  data       ${files.folder}

Send it a push, as a registry would:

  ${curl(ingestPort, files)}
`);
}

function curl(port: number, { webhookTokenPath }: DevFiles): string {
  const event = [
    `"id":"try-'$(date +%s)'"`,
    '"action":"push"',
    '"target":{"mediaType":"application/vnd.oci.image.manifest.v1+json","repository":"example-repo","tag":"v1.0.0"}',
    '"request":{"host":"example.azurecr.io"}',
  ].join(',');
  return `curl -H "Authorization: Bearer $(cat '${webhookTokenPath}')" http://127.0.0.1:${port}/events -d '{${event}}'`;
}
