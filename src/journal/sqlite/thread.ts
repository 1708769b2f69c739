import { once } from 'node:events';
import { getCompileCacheDir } from 'node:module';
import { basename, dirname } from 'node:path';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { JournalFault } from '../journal-fault.ts';
import { classify, openFault, type StoreFailure, type ThreadData, unreadableFault } from './protocol.ts';

/**
 * Young generation of a journal thread, MiB. Its garbage is rows, which die at once; by default, V8 would let each thread
 * keep tens of megabytes of it.
 */
const YOUNG_GENERATION_MB = 8;

/** An object in a thread: its methods are what the thread can be asked. */
type Methods<T> = { readonly [name in keyof T]: (...args: never[]) => unknown };

interface Call<T> {
  readonly method: keyof T;
  readonly args: readonly never[];
}

/** The first reply says that the object is there. `value` has the type of the method that was called. */
type Reply =
  | { readonly kind: 'done'; readonly value: never }
  | { readonly kind: 'failed'; readonly failure: StoreFailure };

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (fault: JournalFault) => void;
}

/** A thread that answers calls in the order in which they were made. */
export class Thread<T extends Methods<T>> {
  readonly #worker: Worker;
  readonly #path: string;
  readonly #onFault: (fault: JournalFault) => void;
  readonly #waiting: Waiting[] = [];
  #died: JournalFault | undefined;

  private constructor(worker: Worker, path: string, onFault: (fault: JournalFault) => void) {
    this.#worker = worker;
    this.#path = path;
    this.#onFault = onFault;
    worker.on('message', (reply: Reply) => this.#answer(reply));
    worker.on('error', (error) => this.#die(error));
    worker.on('exit', () => this.#die(new Error('its thread ended')));
  }

  /**
   * Rejects with a `JournalFault` when the database cannot be opened. `onFault` is called when the thread dies later, and
   * when the database turns out to be damaged.
   */
  static async start<T extends Methods<T>>(
    module: URL,
    data: ThreadData,
    onFault: (fault: JournalFault) => void,
  ): Promise<Thread<T>> {
    const worker = new Worker(module, {
      // The system shows it: 15 characters.
      name: `journal ${basename(module.pathname, '.ts')}`,
      workerData: data,
      env: environment(),
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    const [first]: Reply[] = await once(worker, 'message');
    if (first?.kind === 'done') return new Thread<T>(worker, data.path, onFault);
    await worker.terminate();
    throw openFault(data.path, first?.failure ?? { kind: 'unstorable', detail: 'its thread did not start' });
  }

  /** Rejects with a `JournalFault` when the method throws, or the thread is dead. */
  call<M extends keyof T>(
    method: M,
    args: Parameters<T[M]>,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<ReturnType<T[M]>> {
    if (this.#died !== undefined) return Promise.reject(this.#died);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage({ method, args }, [...transfer]);
    });
  }

  async stop(): Promise<void> {
    this.#died ??= new JournalFault('journal_failed', 'the journal is closed');
    await this.#worker.terminate();
  }

  #answer(reply: Reply): void {
    const waiting = this.#waiting.shift();
    if (reply.kind === 'done') {
      waiting?.resolve(reply.value);
      return;
    }
    const { kind, detail } = reply.failure;
    const fault =
      kind === 'unreadable' ? unreadableFault(this.#path, reply.failure) : new JournalFault('journal_failed', detail);
    if (kind === 'unreadable') this.#onFault(fault);
    waiting?.reject(fault);
  }

  #die(cause: Error): void {
    if (this.#died !== undefined) return;
    this.#died = new JournalFault('journal_failed', `the journal broke down: ${cause.message}`, { cause });
    for (const { reject } of this.#waiting.splice(0)) reject(this.#died);
    this.#onFault(this.#died);
  }
}

/**
 * The other side: makes the object and answers the calls of its methods. Does nothing outside a thread, where a test has
 * loaded the module.
 */
export function serve<T extends Methods<T>>(open: (data: ThreadData) => T): void {
  const port = parentPort;
  if (port === null) return;
  try {
    const object = open(workerData);
    port.on('message', ({ method, args }: Call<T>) => {
      try {
        port.postMessage({ kind: 'done', value: object[method](...args) });
      } catch (error) {
        port.postMessage({ kind: 'failed', failure: classify(error) });
      }
    });
    port.postMessage({ kind: 'done' });
  } catch (error) {
    port.postMessage({ kind: 'failed', failure: classify(error) });
  }
}

/**
 * A thread turns on a compile cache of its own, and only this way does it reach the thread's first file. Without it, the
 * thread would load what strips types, in 50 ms and 25 MB. It needs nothing else of the environment.
 */
function environment(): NodeJS.ProcessEnv {
  const folder = getCompileCacheDir();
  // Node adds a folder for its version by itself.
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: dirname(folder) };
}
