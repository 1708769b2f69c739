import { Accounts } from './accounts.ts';
import { openDatabase } from './database.ts';
import { EventStore } from './event-store.ts';
import { eventRoutes } from './events-api.ts';
import type { Project } from './project.ts';
import { createRouter } from './router.ts';
import { readBody, serveOnLoopback } from './server.ts';
import type { StoredEvent } from './stored-event.ts';
import { SYSTEM_ROUTES } from './system-api.ts';

export interface EmbeddedBrigadeOptions {
  /** On 127.0.0.1; 0 for any that is free. */
  readonly port: number;
  /** The SQLite file with events, service accounts and roles; made where there is none. */
  readonly database: string;
  /** The projects as they are now: asked anew for each event. */
  readonly projects: () => readonly Project[];
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
  /** Requests in flight get 5 seconds. Closing twice is closing once. */
  close(): Promise<void>;
}

/**
 * A Brigade 2.6.0 API server for one machine. It says to a client what the real one says, byte for byte, save that the
 * events of one request are stored together or not at all, and that it listens on loopback and limits what it reads.
 */
export async function startEmbeddedBrigade(options: EmbeddedBrigadeOptions): Promise<EmbeddedBrigade> {
  const { now = unixNano, onEvent = () => {}, onFault } = options;
  const database = openDatabase(options.database);
  try {
    const accounts = new Accounts(database, () => Number(now() / 1_000_000n));
    const events = new EventStore(database);
    const routes = [...SYSTEM_ROUTES, ...eventRoutes({ accounts, events, projects: options.projects, onEvent, now })];
    const server = await serveOnLoopback(options.port, createRouter(routes, accounts, readBody), onFault);
    let closed: Promise<void> | undefined;
    const close = () => {
      closed ??= server.close().then(() => database.close());
      return closed;
    };
    return { address: server.address, accounts, close };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** The digits below a millisecond come from another clock: they are there because the real server has them. */
function unixNano(): bigint {
  return BigInt(Date.now()) * 1_000_000n + (process.hrtime.bigint() % 1_000_000n);
}
