import type { DatabaseSync } from 'node:sqlite';
import { eventVerbRoutes } from './api/event-verbs-api.ts';
import { type EventsApiParts, eventRoutes, mayCreate } from './api/events-api.ts';
import { projectRoutes } from './api/projects-api.ts';
import { roleAssignmentRoutes } from './api/role-assignments-api.ts';
import { createRouter, type Route } from './api/router.ts';
import { type ApiServer, readBody, serveApi } from './api/server.ts';
import { serviceAccountRoutes } from './api/service-accounts-api.ts';
import { sessionRoutes } from './api/sessions-api.ts';
import { SYSTEM_ROUTES } from './api/system-api.ts';
import type { Project } from './project.ts';
import { Accounts, type Principal } from './store/accounts.ts';
import { openDatabase } from './store/database.ts';
import { EventStore } from './store/event-store.ts';
import { ProjectStore } from './store/projects.ts';
import { Roles } from './store/roles.ts';
import type { StoredEvent } from './stored-event.ts';
import { EventLogs } from './workers/event-logs.ts';
import { logRoutes } from './workers/logs-api.ts';
import { startWorkers, type Workers, type WorkersOptions } from './workers/workers.ts';

export interface EmbeddedBrigadeOptions {
  /** The address to listen on; 127.0.0.1 if absent. Whoever reaches another, and may create projects, runs code here. */
  readonly host?: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** The SQLite file with everything that is to be kept; made where there is none. */
  readonly database: string;
  /** With which `root` logs in; absent or empty: nobody does. */
  readonly rootPassword?: string;
  /** Projects beside those that come by the API, as they are now: asked anew for each event. */
  readonly projects?: () => readonly Project[];
  /** Runs a worker for each event on this machine; absent: none, and events stay PENDING. */
  readonly workers?: Omit<WorkersOptions, 'events' | 'logs' | 'onFault'>;
  /** Told of each event that is durable, before the client is. Must not throw. */
  readonly onEvent?: (event: StoredEvent) => void;
  /** Told of what nobody planned for and a client saw as a 500. */
  readonly onFault: (error: unknown) => void;
  /** Nanoseconds since the epoch. */
  readonly now?: () => bigint;
}

export interface EmbeddedBrigade {
  /** `http://127.0.0.1:PORT` */
  readonly address: string;
  readonly accounts: Accounts;
  readonly roles: Roles;
  /** Requests in flight get 5 seconds. Closing twice is closing once. */
  close(): Promise<void>;
}

/**
 * A Brigade 2.6.0 API server for one machine. It says to a client what the real one says, byte for byte, save for what
 * docs/embedded-brigade.md lists.
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
    // Later, so that a client does not wait for a process to start.
    const wake = () => setImmediate(() => workers?.wake());
    const routes = routesOf(options, stores, { wake, cancel: (id) => workers?.cancel(id) });
    server = await serveApi({ host, port }, createRouter(routes, accounts, readBody), onFault);
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

function routesOf(
  { now = unixNano, onEvent = () => {}, rootPassword }: EmbeddedBrigadeOptions,
  stores: Stores,
  workers: Pick<Workers, 'wake' | 'cancel'>,
): readonly Route[] {
  const created = (event: StoredEvent) => {
    onEvent(event);
    workers.wake();
  };
  const parts: EventsApiParts = { ...stores, onEvent: created, onEventEnded: workers.cancel, now };
  const mayReadLogs = (principal: Principal, event: StoredEvent) => mayCreate(parts, principal, event);
  return [
    ...SYSTEM_ROUTES,
    ...sessionRoutes({ ...stores, rootPassword }),
    ...serviceAccountRoutes(stores),
    ...roleAssignmentRoutes(stores),
    ...projectRoutes(parts),
    ...eventRoutes(parts),
    ...eventVerbRoutes(parts),
    ...logRoutes({ ...stores, mayReadLogs }),
  ];
}

/** The digits below a millisecond come from another clock: they are there because the real server has them. */
function unixNano(): bigint {
  return BigInt(Date.now()) * 1_000_000n + (process.hrtime.bigint() % 1_000_000n);
}
