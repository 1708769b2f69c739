import { mkdirSync, realpathSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { StoredEvent, TerminalPhase } from '../stored-event.ts';
import type { EventLogs } from './event-logs.ts';
import type { WorkerEvents } from './worker-events.ts';
import { prepareWorker } from './worker-folder.ts';
import { RESIDENT_MIB } from './worker-limits.ts';
import { WorkerLog } from './worker-log.ts';
import { runWorker, type WorkerEnd } from './worker-process.ts';

export interface WorkersOptions {
  readonly events: WorkerEvents;
  readonly logs: EventLogs;
  /** Made anew, with a folder for each worker that runs; nothing in it outlives its worker. */
  readonly folder: string;
  /** Told of each line of a log. Must not throw, and neither must the others. */
  readonly onOutput?: (event: StoredEvent, line: string) => void;
  /** Told of each worker that ended; ABORTED when its event was canceled or deleted. */
  readonly onEnd?: (event: StoredEvent, phase: TerminalPhase) => void;
  /** Told of what nobody planned for; the event has failed. */
  readonly onFault: (error: unknown) => void;
  /** Workers that run at once. */
  readonly concurrency?: number;
}

export interface Workers {
  /** There may be pending events. */
  wake(): void;
  /** The event has ended, or is gone: ends its worker, if one runs. */
  cancel(eventId: string): void;
  /** Ends all workers, whose events have failed, and resolves when none is left. */
  close(): Promise<void>;
}

/**
 * Between 2 and 4: beside the gateway's core each has one of its own, on a machine that has so many. A worker takes about
 * 60 MB and at most half a GiB, so that four are bearable; and one that waits does not hold up the others' events.
 */
const CONCURRENCY = Math.min(4, Math.max(2, availableParallelism() - 1));

const LOST = 'Ended with the program that ran it, and not run again: `brig event retry` does that.';

/** Runs the worker of each pending event in a process of its own, a few at a time, oldest event first. */
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

  /** A worker may have done things that are not to be done twice, as in a cluster: it is not run again. */
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
    this.#running.get(eventId)?.stop.abort();
    this.#options.logs.tell(eventId);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const running = [...this.#running.values()];
    for (const { stop } of running) stop.abort();
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
    this.#options.logs.tell(event.metadata.id);
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
    if (summary !== '') this.#options.events.summarise(event.metadata.id, summary);
    return phaseOf(end);
  }

  #log(event: StoredEvent): WorkerLog {
    const { logs, onOutput = () => {}, onFault } = this.#options;
    return new WorkerLog(logs, event.metadata.id, { onLine: (line) => onOutput(event, line), onFault });
  }

  #end(event: StoredEvent, phase: TerminalPhase): void {
    const { events, logs, onEnd = () => {} } = this.#options;
    const isOurs = events.end(event.metadata.id, phase);
    logs.tell(event.metadata.id);
    onEnd(event, isOurs ? phase : 'ABORTED');
  }
}

function phaseOf(end: WorkerEnd): TerminalPhase {
  if (end.kind === 'timed-out') return 'TIMED_OUT';
  return end.kind === 'exited' && end.code === 0 ? 'SUCCEEDED' : 'FAILED';
}

/** For the log; undefined when there is nothing to say. */
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
    case 'stopped':
      return 'The worker was ended: its event was canceled, or the program stopped.';
  }
}
