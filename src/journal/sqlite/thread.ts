import { once } from 'node:events';
import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { JournalFault } from '../journal-fault.ts';
import type { Reply, StoreFailure, ThreadData } from './protocol.ts';

/**
 * Young generation of a journal thread, MiB. Its garbage is rows, dead at once; V8's default would let each thread
 * keep tens of megabytes of it.
 */
const YOUNG_GENERATION_MB = 8;

/** A thread that answers requests in the order in which they were sent. */
export class Thread<Q> {
  readonly #worker: Worker;
  readonly #asked: { readonly resolve: (reply: Reply) => void; readonly reject: (fault: JournalFault) => void }[] = [];
  #died: JournalFault | undefined;

  private constructor(worker: Worker, onDeath: (fault: JournalFault) => void) {
    this.#worker = worker;
    worker.on('message', (reply: Reply) => this.#asked.shift()?.resolve(reply));
    worker.on('error', (error) => this.#die(error, onDeath));
    worker.on('exit', () => this.#die(new Error('its thread ended'), onDeath));
  }

  /** Rejects with a `JournalFault` when the database cannot be opened; `onDeath` hears of what comes later. */
  static async start<Q>(data: ThreadData, onDeath: (fault: JournalFault) => void): Promise<Thread<Q>> {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: data,
      env: environment(),
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    const [first]: Reply[] = await once(worker, 'message');
    if (first?.kind === 'ready') return new Thread<Q>(worker, onDeath);
    await worker.terminate();
    throw openFault(data.path, first?.kind === 'failed' ? first.failure : undefined);
  }

  /** Rejects with a `JournalFault` when the thread is dead. */
  ask(request: Q, transfer: readonly ArrayBuffer[] = []): Promise<Reply> {
    if (this.#died !== undefined) return Promise.reject(this.#died);
    return new Promise((resolve, reject) => {
      this.#asked.push({ resolve, reject });
      this.#worker.postMessage(request, [...transfer]);
    });
  }

  async stop(): Promise<void> {
    this.#died ??= new JournalFault('journal_failed', 'the journal is closed');
    await this.#worker.terminate();
  }

  #die(cause: Error, onDeath: (fault: JournalFault) => void): void {
    if (this.#died !== undefined) return;
    this.#died = new JournalFault('journal_failed', `the journal broke down: ${cause.message}`, { cause });
    for (const { reject } of this.#asked.splice(0)) reject(this.#died);
    onDeath(this.#died);
  }
}

/**
 * A thread has a compile cache of its own to turn on, and this is the way that reaches its first file too: without it, it would load
 * what strips types, in 50 ms and 25 MB. Of the environment it needs nothing else.
 */
function environment(): NodeJS.ProcessEnv {
  const folder = getCompileCacheDir();
  // Node adds a folder for its version by itself.
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: dirname(folder) };
}

function openFault(path: string, failure: StoreFailure | undefined): JournalFault {
  const detail = failure?.detail ?? 'its thread did not start';
  switch (failure?.kind) {
    case 'locked':
      return new JournalFault('journal_locked', `another process owns the journal ${path}`);
    case 'unwritable':
    case 'full':
      return new JournalFault(
        'journal_unusable',
        `the journal ${path} cannot be opened for writing: ${detail}. Look at the rights, the room and the state of ` +
          'its disk.',
      );
    case 'unreadable':
      return unreadable(path, detail);
    default:
      return new JournalFault('journal_unreadable', `the journal ${path} cannot be opened: ${detail}`);
  }
}

/** What an operator reads when the file is damaged, with what to do. */
export function unreadable(path: string, detail: string): JournalFault {
  return new JournalFault(
    'journal_unreadable',
    `the journal ${path} cannot be read: ${detail}. Move it aside together with ${path}-wal and ${path}-shm to start ` +
      'with an empty one, and save what can be saved from the copy with "sqlite3 COPY .recover".',
  );
}
