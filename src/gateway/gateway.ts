import { setTimeout as sleep } from 'node:timers/promises';
import packageJson from '../../package.json' with { type: 'json' };
import { Access } from '../admin/access.ts';
import { type AdminServer, startAdminServer } from '../admin/admin-server.ts';
import { Operator, type OperatorOptions } from '../admin/operator.ts';
import type { Authenticator } from '../auth/authenticator.ts';
import { type Callers, everyCaller } from '../auth/callers.ts';
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
import { Activity } from '../observe/activity.ts';
import { observeDelivery } from '../observe/delivery.ts';
import { refreshGauges } from '../observe/gauges.ts';
import { observeIngest, observeStoredLate } from '../observe/ingest.ts';
import type { Log } from '../observe/log.ts';
import { Metrics } from '../observe/metrics.ts';
import type { Traces } from '../observe/traces.ts';
import { observeUnmatched } from '../observe/unmatched.ts';
import { AnonymousHandshakes } from '../receive/anonymous-handshakes.ts';
import { createPermit, createReceive } from '../receive/receive.ts';
import { createRedeliver } from '../receive/redeliver.ts';
import type { Sink } from '../sink/sink.ts';
import { connectSink } from './connect-sink.ts';
import { pruneLoop } from './prune-loop.ts';
import { Readiness } from './readiness.ts';
import { FileWatcher, unboundCallers, watchAdminTokens, watchCallers, watchCertificate } from './watched-files.ts';

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
  /** A code that logs a browser in once. */
  loginCode(): string;
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
  const access = new Access({
    tokens: await watchAdminTokens(settings, watcher),
    allowedHosts: settings.admin.allowedHosts,
    clock: systemClock,
  });
  const traces = await openTraces(settings);
  started.defer(() => traces?.close());
  const { sink: untracedSink, explain, onChange } = await connectSink(settings.sink, watcher);
  const sink = traces?.ofAttempts(untracedSink) ?? untracedSink;
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
  const activity = started.adopt(
    new Activity({
      journal,
      clock: systemClock,
      onFault: (error) => log.error({ err: error }, 'turned_away.faulted'),
    }),
    (each) => each.close(),
  );
  const deliverer = new Deliverer({
    queue: journal,
    sink,
    observer: activity.ofDelivery(
      observeDelivery(log, metrics, explain && observeUnmatched(log, explain, systemClock)),
    ),
    clock: systemClock,
    random: Math.random,
  });

  const healthy = () => !health.isBroken;
  const parts: Parts = { settings, log, metrics, traces, authenticator, journal, activity, healthy };
  const operator = started.adopt(createOperator(parts, { callers, deliverer, sink, explain }), (each) => each.close());
  await operator.start();
  const ingest = started.adopt(await startIngest(parts, tls), (each) => each.close(0));
  const admin = started.adopt(await startAdmin(parts, { access, operator, deliverer, readiness }), (each) =>
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
    loginCode: () => access.createLoginCode(),
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
  readonly traces: Traces | undefined;
  readonly authenticator: Authenticator;
  readonly journal: Journal;
  readonly activity: Activity;
  readonly healthy: () => boolean;
}

/** Without a collector nothing of OpenTelemetry is loaded. */
async function openTraces({ traces }: Settings): Promise<Traces | undefined> {
  if (traces === undefined) return undefined;
  const { Traces: Loaded } = await import('../observe/traces.ts');
  return new Loaded(traces);
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
  { settings, log, metrics, traces, authenticator, journal, activity, healthy }: Parts,
  tls: Parameters<typeof startIngestServer>[0]['tls'],
): Promise<IngestServer> {
  const { host, port, trustedProxies, maxBodyBytes, handshakeCredentials, contentWindow } = settings.ingest;
  const anonymousHandshakes = new AnonymousHandshakes({ decode, handshakeCredentials });
  const receive = createReceive({
    authenticator,
    anonymousHandshakes,
    decode,
    contentWindow: contentWindow.ms === 0 ? undefined : contentWindow,
    intake: traces?.ofAppends(journal) ?? journal,
    clock: systemClock,
  });
  return startIngestServer({
    host,
    port,
    trustedProxies,
    limits: { maxBodyBytes },
    receive: traces?.ofWebhooks(receive) ?? receive,
    permit: createPermit({ authenticator, anonymousHandshakes }),
    healthy,
    observer: activity.ofIngest(observeIngest(log, metrics, systemClock)),
    ...(tls === undefined ? {} : { tls }),
  });
}

function createOperator(
  { settings, log, authenticator, journal, activity }: Parts,
  {
    callers,
    deliverer,
    sink,
    explain,
  }: {
    readonly callers: { current(): Callers };
    readonly deliverer: Deliverer;
    readonly sink: Sink;
    readonly explain: OperatorOptions['explain'];
  },
): Operator {
  return new Operator({
    journal,
    deliveries: deliverer,
    redeliver: createRedeliver({ authenticator, decode, history: journal }),
    activity,
    clock: systemClock,
    preview: (event) => sink.preview(event),
    ...(explain === undefined ? {} : { explain }),
    callers: () => [...new Set(everyCaller(callers.current()).map(({ name }) => name))],
    settings: settings.inEffect,
    onChanged: (change) => log.info(change, 'admin.changed'),
    onFault: (error) => log.error({ err: error }, 'redelivery.faulted'),
  });
}

function startAdmin(
  { settings, log, metrics, journal, healthy }: Parts,
  {
    access,
    operator,
    deliverer,
    readiness,
  }: { access: Access; operator: Operator; deliverer: Deliverer; readiness: Readiness },
): Promise<AdminServer> {
  const { host, port } = settings.admin;
  return startAdminServer({
    host,
    port,
    access,
    operator,
    clock: systemClock,
    healthy,
    unreadiness: () => readiness.unreadiness(),
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
