import { setTimeout as sleep } from 'node:timers/promises';
import packageJson from '../../package.json' with { type: 'json' };
import { type AdminServer, startAdminServer } from '../admin/admin-server.ts';
import type { Authenticator } from '../auth/authenticator.ts';
import { EntraAuthenticator } from '../auth/entra.ts';
import { tokenAuthenticator } from '../auth/token.ts';
import type { Settings } from '../config/settings.ts';
import { decode } from '../decode/decode.ts';
import { Deliverer } from '../deliver/deliver.ts';
import { type IngestServer, startIngestServer } from '../http/ingest-server.ts';
import type { Journal, OnStoredLate } from '../journal/journal.ts';
import { MemoryJournal } from '../journal/memory/memory.ts';
import { SqliteJournal } from '../journal/sqlite/sqlite.ts';
import { systemClock } from '../model/clock.ts';
import type { Fault } from '../model/fault.ts';
import { observeDelivery } from '../observe/delivery.ts';
import { refreshGauges } from '../observe/gauges.ts';
import { observeIngest, observeStoredLate } from '../observe/ingest.ts';
import type { Log } from '../observe/log.ts';
import { Metrics } from '../observe/metrics.ts';
import { AnonymousHandshakes } from '../receive/anonymous-handshakes.ts';
import { createPermit, createReceive } from '../receive/receive.ts';
import { createRedeliver } from '../receive/redeliver.ts';
import { connectSink } from './connect-sink.ts';
import { pruneLoop } from './prune-loop.ts';
import { Readiness } from './readiness.ts';
import { FileWatcher, unboundCallers, watchCallers, watchCertificate } from './watched-files.ts';

/** For how long attempts may go on after the signal to stop, milliseconds. */
const ATTEMPTS_GRACE_MS = 25_000;

export interface GatewayOptions {
  readonly settings: Settings;
  readonly log: Log;
  /** Called for a fault that the gateway cannot repair: the process should end. */
  readonly onFault: (fault: Fault) => void;
}

export interface Gateway {
  /** The ports in use, also where the settings ask for any free port. */
  readonly ingestPort: number;
  readonly adminPort: number;
  /** The callers that may send events of any registry: a reason for a warning. */
  readonly unboundCallers: readonly string[];
  /** Stops in good order; `hurry` ends every wait. Events that are not delivered wait for the next start. */
  stop(hurry: AbortSignal): Promise<void>;
}

/**
 * Connects the adapters and starts them. Rejects with a `Fault` when one cannot start, and closes those that did. An
 * unavailable sink, or one that rejects our credentials, is logged and does not stop the start: webhooks must be accepted.
 */
export async function startGateway({ settings, log, onFault }: GatewayOptions): Promise<Gateway> {
  await using started = new AsyncDisposableStack();
  const metrics = new Metrics();
  metrics.watchProcess();
  metrics.set('acr_gateway_build_info', 1, { version: packageJson.version });
  const watcher = started.use(new FileWatcher(log, metrics));
  const callers = await watchCallers(settings, watcher, log);
  const tls = await watchCertificate(settings, watcher);
  const { token: adminCredential } = settings.admin;
  const adminToken = adminCredential === undefined ? undefined : await watcher.secret('admin-token', adminCredential);
  const { sink, onChange } = await connectSink(settings.sink, watcher);
  started.defer(() => sink.close());

  const health = { isBroken: false };
  const onJournalFault = (fault: Fault) => {
    health.isBroken = true;
    metrics.count('acr_gateway_faults_total', { edge: 'journal' });
    onFault(fault);
  };
  const journal = started.adopt(
    await openJournal(settings.journal, onJournalFault, observeStoredLate(log, metrics)),
    (each) => each.close(),
  );
  const readiness = new Readiness(journal, systemClock);
  // The digests of the tokens file come first: they are cheaper to check than a signed token.
  const authenticator = tokenAuthenticator(
    { current: () => callers.current().tokens },
    new EntraAuthenticator(callers),
  );
  const deliverer = new Deliverer({
    queue: journal,
    sink,
    observer: observeDelivery(log, metrics),
    clock: systemClock,
    random: Math.random,
  });

  const healthy = () => !health.isBroken;
  const parts: Parts = { settings, log, metrics, authenticator, journal, healthy };
  const ingest = started.adopt(await startIngest(parts, tls), (each) => each.close(0));
  const admin = started.adopt(await startAdmin(parts, deliverer, readiness, () => adminToken?.current()), (each) =>
    each.close(),
  );
  deliverer.start();
  void deliverer.preflight();
  onChange(() => deliverer.probeNow());
  const stopping = new AbortController();
  const pruning = pruneLoop(journal, log, metrics, stopping.signal);
  const running = started.move();
  return {
    ingestPort: ingest.address.port,
    adminPort: admin.port,
    unboundCallers: unboundCallers(callers.current()),
    stop: async (hurry) => {
      readiness.drain();
      stopping.abort();
      await shutDown(ingest, deliverer, settings.ingest.shutdownDelayMs, hurry);
      await pruning;
      await running.disposeAsync();
    },
  };
}

interface Parts {
  readonly settings: Settings;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly authenticator: Authenticator;
  readonly journal: Journal;
  readonly healthy: () => boolean;
}

async function openJournal(
  settings: Settings['journal'],
  onFault: (fault: Fault) => void,
  onStoredLate: OnStoredLate,
): Promise<Journal> {
  const { location, reserveBytes, maxBytes, allowNetworkFs } = settings;
  if (location.kind === 'memory') return new MemoryJournal({ clock: systemClock });
  return SqliteJournal.open({
    path: location.path,
    reserveBytes,
    maxBytes,
    allowNetworkFileSystem: allowNetworkFs,
    clock: systemClock,
    onFault,
    onStoredLate,
  });
}

function startIngest(
  { settings, log, metrics, authenticator, journal, healthy }: Parts,
  tls: Parameters<typeof startIngestServer>[0]['tls'],
): Promise<IngestServer> {
  const { host, port, trustedProxies, maxBodyBytes, handshakeCredentials, contentWindow } = settings.ingest;
  const anonymousHandshakes = new AnonymousHandshakes({ decode, handshakeCredentials });
  return startIngestServer({
    host,
    port,
    trustedProxies,
    limits: { maxBodyBytes },
    receive: createReceive({
      authenticator,
      anonymousHandshakes,
      decode,
      contentWindow: contentWindow.ms === 0 ? undefined : contentWindow,
      intake: journal,
      clock: systemClock,
    }),
    permit: createPermit({ authenticator, anonymousHandshakes }),
    healthy,
    observer: observeIngest(log, metrics, systemClock),
    ...(tls === undefined ? {} : { tls }),
  });
}

function startAdmin(
  { settings, log, metrics, authenticator, journal, healthy }: Parts,
  deliverer: Deliverer,
  readiness: Readiness,
  token: () => string | undefined,
): Promise<AdminServer> {
  const { host, port, allowedHosts } = settings.admin;
  return startAdminServer({
    host,
    port,
    allowedHosts,
    token,
    healthy,
    unreadiness: () => readiness.unreadiness(),
    history: journal,
    redeliver: createRedeliver({ authenticator, decode, history: journal }),
    metrics: async () => {
      const state = {
        isBreakerOpen: deliverer.breaker.kind === 'open',
        isOnTrial: deliverer.isOnTrial,
        attemptsLimit: deliverer.limit,
        heldEvents: deliverer.held,
        stats: await journal.stats(),
      };
      refreshGauges(metrics, state, Date.now());
      return { contentType: metrics.contentType, text: await metrics.text() };
    },
    onFault: (error) => log.error({ err: error }, 'admin.faulted'),
  });
}

/** Load balancers get time to notice, then the listener closes, then the attempts under way end. */
async function shutDown(
  ingest: IngestServer,
  deliverer: Deliverer,
  delayMs: number,
  hurry: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + ATTEMPTS_GRACE_MS;
  ingest.beginDrain();
  await sleep(delayMs, undefined, { signal: hurry }).catch(() => {
    // `hurry` ends the wait.
  });
  const graceMs = hurry.aborted ? 0 : Math.max(0, deadline - performance.now());
  const delivered = deliverer.stop(graceMs, hurry);
  await ingest.close(hurry.aborted ? 0 : undefined);
  await delivered;
}
