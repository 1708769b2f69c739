import { setTimeout as sleep } from 'node:timers/promises';
import { type AdminServer, startAdminServer } from '../admin/admin-server.ts';
import type { Authenticator } from '../auth/authenticator.ts';
import type { Callers } from '../auth/callers.ts';
import { EntraAuthenticator } from '../auth/entra.ts';
import { tokenAuthenticator } from '../auth/token.ts';
import type { Settings } from '../config/settings.ts';
import { decode } from '../decode/decode.ts';
import { Deliverer, WAKE_SPREAD_MS } from '../deliver/deliver.ts';
import { type IngestServer, startIngestServer } from '../http/ingest-server.ts';
import { systemClock } from '../journal/clock.ts';
import type { Journal, Maintenance, Queue } from '../journal/journal.ts';
import { MemoryJournal } from '../journal/memory/memory.ts';
import { SqliteJournal } from '../journal/sqlite/sqlite.ts';
import type { Fault } from '../model/fault.ts';
import { logProbe, observeDelivery } from '../observe/delivery.ts';
import { refreshGauges } from '../observe/gauges.ts';
import { observeIngest } from '../observe/ingest.ts';
import type { Log } from '../observe/log.ts';
import { Metrics } from '../observe/metrics.ts';
import { AnonymousHandshakes } from '../receive/anonymous-handshakes.ts';
import { createPermit, createReceive } from '../receive/receive.ts';
import { createRedeliver } from '../receive/redeliver.ts';
import type { Sink } from '../sink/sink.ts';
import { createSink } from './connect-sink.ts';
import { type GatewayFiles, unboundCallers, watchFiles } from './files.ts';
import { Readiness } from './readiness.ts';

/** For how long attempts go on after the signal to end, milliseconds. */
const ATTEMPTS_GRACE_MS = 25_000;

/** How often forgetting is thought of, and the pause between two steps of it, milliseconds. */
const PRUNING = { everyMs: 10_000, pauseMs: 50 };

export interface GatewayOptions {
  readonly settings: Settings;
  readonly log: Log;
  /** What the gateway cannot mend: the process should end. */
  readonly onFault: (fault: Fault) => void;
}

export interface Gateway {
  /** The real ports where any were asked for. */
  readonly ingestPort: number;
  readonly adminPort: number;
  /** Callers who may speak for any registry: for who starts it to warn of. */
  readonly unboundCallers: readonly string[];
  /** Ends in good order; `hurry` cuts every wait short. What is not delivered waits for the next start. */
  stop(hurry: AbortSignal): Promise<void>;
}

/**
 * Puts the adapters together and starts them. Rejects with a `Fault` when one cannot start, and closes those that had;
 * Brigade may be down, and its refusing our credentials is logged, not fatal: accepting is the point.
 */
export async function startGateway({ settings, log, onFault }: GatewayOptions): Promise<Gateway> {
  await using started = new AsyncDisposableStack();
  const metrics = new Metrics();
  metrics.watchProcess();
  const files = started.adopt(await watchFiles(settings, log, metrics), (each) => each.close());
  const health = { isBroken: false };
  const journal = started.adopt(
    await openJournal(settings.journal, (fault) => {
      health.isBroken = true;
      metrics.count('acr_gateway_faults_total', { edge: 'journal' });
      onFault(fault);
    }),
    (each) => each.close(),
  );
  const sink = createSink(settings.sink, files.sink);
  const observer = observeDelivery(log, metrics);
  const deliverer = new Deliverer({ queue: journal, sink, observer, now: Date.now, random: Math.random });
  const readiness = new Readiness(journal);
  const authenticator = authenticatorOf(files.callers);
  const parts: Parts = { settings, log, metrics, files, authenticator, journal, deliverer, readiness, health };
  const ingest = started.adopt(await startIngest(parts), (each) => each.close(0));
  const admin = started.adopt(await startAdmin(parts), (each) => each.close());
  const stopping = new AbortController();
  deliverer.start();
  files.sink.onCredentialChange(() => deliverer.lookAgain());
  void preflight(sink, journal, log, stopping.signal);
  const maintenance = pruneLoop(journal, log, stopping.signal);
  const running = started.move();
  return {
    ingestPort: ingest.address.port,
    adminPort: admin.port,
    unboundCallers: unboundCallers(files.callers.current()),
    stop: async (hurry) => {
      readiness.drain();
      stopping.abort();
      await shutDown({ ingest, deliverer }, settings.ingest.shutdownDelayMs, hurry);
      await maintenance;
      await running.disposeAsync();
    },
  };
}

interface Parts {
  readonly settings: Settings;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly files: GatewayFiles;
  readonly authenticator: Authenticator;
  readonly journal: Journal;
  readonly deliverer: Deliverer;
  readonly readiness: Readiness;
  readonly health: { readonly isBroken: boolean };
}

/** The secrets of the tokens file first: they cost next to nothing to judge. */
function authenticatorOf(callers: { current(): Callers }): Authenticator {
  return tokenAuthenticator({ current: () => callers.current().tokens }, new EntraAuthenticator(callers));
}

function startIngest({ settings, log, metrics, files, authenticator, journal, health }: Parts): Promise<IngestServer> {
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
      now: Date.now,
    }),
    permit: createPermit({ authenticator, anonymousHandshakes }),
    healthy: () => !health.isBroken,
    observer: observeIngest(log, metrics),
    ...(files.certificate === undefined ? {} : { tls: files.certificate }),
  });
}

function startAdmin({
  settings,
  log,
  metrics,
  files,
  authenticator,
  journal,
  deliverer,
  readiness,
  health,
}: Parts): Promise<AdminServer> {
  const { host, port, allowedHosts } = settings.admin;
  return startAdminServer({
    host,
    port,
    allowedHosts,
    token: files.adminToken,
    healthy: () => !health.isBroken,
    unreadiness: () => readiness.look(),
    history: journal,
    redeliver: createRedeliver({ authenticator, decode, history: journal }),
    metrics: async () => {
      const state = {
        isBreakerOpen: deliverer.breaker.kind === 'open',
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

interface Running {
  readonly ingest: IngestServer;
  readonly deliverer: Deliverer;
}

/** Load balancers learn first, then the listener closes, then what is under way gets its time. */
async function shutDown({ ingest, deliverer }: Running, delayMs: number, hurry: AbortSignal): Promise<void> {
  const deadline = Date.now() + ATTEMPTS_GRACE_MS;
  ingest.beginDrain();
  await sleep(delayMs, undefined, { signal: hurry }).catch(() => {
    // Hurried.
  });
  const graceMs = () => (hurry.aborted ? 0 : Math.max(0, deadline - Date.now()));
  const delivered = deliverer.stop(graceMs(), hurry);
  await ingest.close(hurry.aborted ? 0 : undefined);
  await delivered;
}

async function openJournal(settings: Settings['journal'], onFault: (fault: Fault) => void): Promise<Journal> {
  const { location, reserveBytes, maxBytes, allowNetworkFs } = settings;
  if (location.kind === 'memory') return new MemoryJournal({ clock: systemClock });
  return SqliteJournal.open({
    path: location.path,
    reserveBytes,
    maxBytes,
    allowNetworkFileSystem: allowNetworkFs,
    clock: systemClock,
    onFault,
  });
}

/** Says in one line whether Brigade takes our events; if so, those that wait for it to come back need not wait longer. */
async function preflight(sink: Sink, queue: Queue, log: Log, signal: AbortSignal): Promise<void> {
  const probe = await sink.probe(signal);
  if (signal.aborted) return;
  logProbe(log, probe);
  if (probe.kind === 'ready')
    await queue.wake(WAKE_SPREAD_MS).catch((error: unknown) => log.error({ err: error }, 'delivery.faulted'));
}

/** Forgets a step at a time, as long as there is something to forget. */
async function pruneLoop(maintenance: Maintenance, log: Log, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const mayBeMore = await maintenance.prune(Date.now()).then(
      (pruned) => pruned.mayBeMore,
      (error: unknown) => {
        log.error({ err: error }, 'prune.faulted');
        return false;
      },
    );
    const pause = mayBeMore ? PRUNING.pauseMs : PRUNING.everyMs;
    await sleep(pause, undefined, { signal, ref: false }).catch(() => {
      // Stopping ends every pause.
    });
  }
}
