import type { DatabaseSync } from 'node:sqlite';
import { accountRoutes } from './api/accounts-api.ts';
import { type Api, createApp } from './api/app.ts';
import { type EventsApiParts, eventRoutes, mayCreate } from './api/events-api.ts';
import { logRoutes } from './api/logs-api.ts';
import { projectRoutes } from './api/projects-api.ts';
import { type ApiServer, serveApi } from './api/server.ts';
import { openRoutes, sessionRoutes } from './api/sessions-api.ts';
import type { StoredEvent } from './event.ts';
import type { Project } from './project.ts';
import { Accounts, Roles } from './store/accounts.ts';
import { openDatabase } from './store/database.ts';
import { EventStore } from './store/events.ts';
import { EventLogs } from './store/logs.ts';
import { ProjectStore } from './store/projects.ts';
import { startWorkers, type Workers, type WorkersOptions } from './workers/workers.ts';

export interface EmbeddedBrigadeOptions {
  /** The address to listen on; 127.0.0.1 if absent. A client of another machine that may create projects runs code here. */
  readonly host?: string;
  /** 0 for any free port. */
  readonly port: number;
  /** The SQLite file that stores everything. Created if there is none. */
  readonly database: string;
  /** The password of `root`. Absent or empty: root cannot log in. */
  readonly rootPassword?: string;
  /** Projects beside those created by the API. Called again for each event. */
  readonly projects?: () => readonly Project[];
  /** Runs a worker for each event on this machine. Absent: events stay PENDING. */
  readonly workers?: Omit<WorkersOptions, 'events' | 'logs' | 'onFault'>;
  /** Called for each event once it is durable, before the client gets its answer. Must not throw. */
  readonly onEvent?: (event: StoredEvent) => void;
  /** Called for each unexpected error, which a client saw as a 500. */
  readonly onFault: (error: unknown) => void;
  /** Nanoseconds since the epoch. */
  readonly now?: () => bigint;
}

export interface EmbeddedBrigade {
  /** `http://127.0.0.1:PORT` */
  readonly address: string;
  readonly accounts: Accounts;
  readonly roles: Roles;
  /** Requests in flight get 5 seconds. Idempotent. */
  close(): Promise<void>;
}

/**
 * A Brigade 2.6.0 API server for one machine. A client gets the answers of the real one, byte for byte, except for what the
 * README lists. Rejects with an `EmbeddedBrigadeFault` if it cannot start.
 */
export async function startEmbeddedBrigade(options: EmbeddedBrigadeOptions): Promise<EmbeddedBrigade> {
  const { host = '127.0.0.1', port, onFault } = options;
  const database = openDatabase(options.database);
  let server: ApiServer | undefined;
  let workers: Workers | undefined;
  const close = async () => {
    await server?.close();
    await workers?.close();
    database.close();
  };
  try {
    const stores = openStores(database, options);
    const { accounts, roles, events, logs } = stores;
    // Later, so that the client does not wait for a process to start.
    const wake = () => setImmediate(() => workers?.wake());
    const app = apiOf(options, stores, { wake, cancel: (id) => workers?.cancel(id) });
    server = await serveApi({ host, port }, app.fetch);
    if (options.workers) workers = startWorkers({ ...options.workers, events, logs, onFault });
    let closed: Promise<void> | undefined;
    const closeOnce = () => {
      closed ??= close();
      return closed;
    };
    return { address: server.address, accounts, roles, close: closeOnce };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Stores {
  readonly accounts: Accounts;
  readonly roles: Roles;
  readonly projects: ProjectStore;
  readonly events: EventStore;
  readonly logs: EventLogs;
}

function openStores(database: DatabaseSync, { now = unixNano, projects = () => [] }: EmbeddedBrigadeOptions): Stores {
  return {
    accounts: new Accounts(database, () => Number(now() / 1_000_000n)),
    roles: new Roles(database),
    projects: new ProjectStore(database, projects, now()),
    events: new EventStore(database, now),
    logs: new EventLogs(database),
  };
}

function apiOf(
  { now = unixNano, onEvent = () => {}, onFault, rootPassword }: EmbeddedBrigadeOptions,
  stores: Stores,
  workers: Pick<Workers, 'wake' | 'cancel'>,
): Api {
  const created = (event: StoredEvent) => {
    onEvent(event);
    workers.wake();
  };
  const parts: EventsApiParts = { ...stores, onEvent: created, onEventEnded: workers.cancel, now };
  return createApp({
    accounts: stores.accounts,
    open: (app) => openRoutes(app, { ...stores, rootPassword }),
    secured: (app) => {
      sessionRoutes(app, stores);
      accountRoutes(app, stores);
      projectRoutes(app, parts);
      eventRoutes(app, parts);
      logRoutes(app, { ...stores, mayReadLogs: (principal, event) => mayCreate(parts, principal, event) });
    },
    onFault,
  });
}

/** The digits below a millisecond come from another clock. They are there because Brigade's times have them. */
function unixNano(): bigint {
  return BigInt(Date.now()) * 1_000_000n + (process.hrtime.bigint() % 1_000_000n);
}
