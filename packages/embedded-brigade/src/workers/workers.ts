import { mkdirSync, realpathSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { StoredEvent, TerminalPhase } from '../event.ts';
import type { EventStore } from '../store/events.ts';
import type { EventLogs } from '../store/logs.ts';
import { prepareWorker } from './worker-folder.ts';
import { WorkerLog } from './worker-log.ts';
import { RESIDENT_MIB, runWorker, type StopReason, type WorkerEnd } from './worker-process.ts';

export interface WorkersOptions {
  readonly events: EventStore;
  readonly logs: EventLogs;
  /** Emptied at start. Each running worker has a folder in it, which is deleted when the worker ends. */
  readonly folder: string;
  /** Called with each line of a log. Neither this nor the other callbacks may throw. */
  readonly onOutput?: (event: StoredEvent, line: string) => void;
  /** Called for each worker that ended; ABORTED if its event was canceled or deleted. */
  readonly onEnd?: (event: StoredEvent, phase: TerminalPhase) => void;
  /** Called for an unexpected error. The event has failed. */
  readonly onFault: (error: unknown) => void;
  /** How many workers run at once. */
  readonly concurrency?: number;
}

export interface Workers {
  /** Looks for pending events. */
  wake(): void;
  /** Ends the worker of an event that was canceled or deleted, if it runs. */
  cancel(eventId: string): void;
  /** Ends all workers, whose events fail, and resolves when none is left. */
  close(): Promise<void>;
}

/**
 * 2 to 4: one core each, beside the core of the gateway. A worker takes about 60 MB and at most half a GiB, so a machine can
 * run four; with two, one that waits does not delay the other events.
 */
const CONCURRENCY = Math.min(4, Math.max(2, availableParallelism() - 1));

const LOST = 'Ended with the program that ran it, and not run again: `brig event retry` does that.';

/** Runs the worker of each pending event in a process of its own, several at a time, the oldest event first. */
export function startWorkers(options: WorkersOptions): Workers {
  const workers = new LocalWorkers(options);
  workers.recover();
  workers.wake();
  return workers;
}

class LocalWorkers implements Workers {
  readonly #options: WorkersOptions;
  readonly #folder: string;
  readonly #running = new Map<string, { readonly stop: AbortController; readonly ended: Promise<void> }>();
  #closed = false;

  constructor(options: WorkersOptions) {
    this.#options = options;
    rmSync(options.folder, { recursive: true, force: true });
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    this.#folder = realpathSync(options.folder);
  }

  /** A worker may have done what must not be done twice, so it is not run again. A cluster does the same. */
  recover(): void {
    for (const event of this.#options.events.running()) {
      const log = this.#log(event);
      log.note(LOST);
      log.end();
      this.#end(event, 'FAILED');
    }
  }

  wake(): void {
    const { events, concurrency = CONCURRENCY } = this.#options;
    try {
      while (!this.#closed && this.#running.size < concurrency) {
        const [event] = events.nextPending(1);
        if (!event || !events.start(event.metadata.id)) return;
        this.#start(event);
      }
    } catch (error) {
      this.#options.onFault(error);
    }
  }

  cancel(eventId: string): void {
    const reason: StopReason = 'canceled';
    this.#running.get(eventId)?.stop.abort(reason);
    this.#options.logs.notify(eventId);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const reason: StopReason = 'program-stopped';
    const running = [...this.#running.values()];
    for (const { stop } of running) stop.abort(reason);
    await Promise.all(running.map(({ ended }) => ended));
  }

  #start(event: StoredEvent): void {
    const stop = new AbortController();
    const ended = this.#run(event, stop.signal)
      .catch((error: unknown) => this.#options.onFault(error))
      .then(() => {
        this.#running.delete(event.metadata.id);
        this.wake();
      });
    this.#running.set(event.metadata.id, { stop, ended });
  }

  async #run(event: StoredEvent, signal: AbortSignal): Promise<void> {
    this.#options.logs.notify(event.metadata.id);
    const log = this.#log(event);
    const own = join(this.#folder, event.metadata.id);
    let phase: TerminalPhase = 'FAILED';
    try {
      phase = await this.#work(event, own, log, signal);
    } catch (error) {
      log.note(`Not run: ${error instanceof Error ? error.message : String(error)}`);
      throw error;
    } finally {
      log.end();
      this.#end(event, phase);
      await rm(own, { recursive: true, force: true });
    }
  }

  async #work(event: StoredEvent, folder: string, log: WorkerLog, signal: AbortSignal): Promise<TerminalPhase> {
    const prepared = await prepareWorker(folder, event);
    if (prepared.kind === 'not-runnable') {
      log.note(prepared.reason);
      return 'FAILED';
    }
    for (const note of prepared.notes) log.note(note);
    const { script, timeoutMs } = prepared;
    const { end, summary } = await runWorker({ folder, script, timeoutMs, signal, onPrint: (text) => log.print(text) });
    const reason = describeEnd(end, timeoutMs);
    if (reason !== undefined) log.note(reason);
    if (summary !== '') this.#options.events.summarize(event.metadata.id, summary);
    return phaseOf(end);
  }

  #log(event: StoredEvent): WorkerLog {
    const { logs, onOutput = () => {}, onFault } = this.#options;
    return new WorkerLog(logs, event.metadata.id, { onLine: (line) => onOutput(event, line), onFault });
  }

  #end(event: StoredEvent, phase: TerminalPhase): void {
    const { events, logs, onEnd = () => {} } = this.#options;
    const isOurs = events.end(event.metadata.id, phase);
    logs.notify(event.metadata.id);
    onEnd(event, isOurs ? phase : 'ABORTED');
  }
}

function phaseOf(end: WorkerEnd): TerminalPhase {
  if (end.kind === 'timed-out') return 'TIMED_OUT';
  return end.kind === 'exited' && end.code === 0 ? 'SUCCEEDED' : 'FAILED';
}

/** For the log. Undefined for a success. */
function describeEnd(end: WorkerEnd, timeoutMs: number): string | undefined {
  switch (end.kind) {
    case 'exited':
      return end.code === 0 ? undefined : `The worker exited with ${end.code}.`;
    case 'killed':
      return `The worker was ended by ${end.signal}.`;
    case 'timed-out':
      return `The worker was ended after ${timeoutMs / 1000} s, its timeoutDuration.`;
    case 'too-large':
      return `The worker was ended: it took more than ${RESIDENT_MIB} MiB of memory.`;
    case 'canceled':
      return 'The worker was ended: its event was canceled.';
    case 'program-stopped':
      return 'The worker was ended: the program that ran it stopped. `brig event retry` runs it again.';
  }
}
