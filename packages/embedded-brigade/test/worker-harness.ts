import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Changes } from '../../../test/support/changes.ts';
import { newEvent, type StoredEvent, type TerminalPhase } from '../src/event.ts';
import type { WorkerTemplate } from '../src/project.ts';
import { openDatabase } from '../src/store/database.ts';
import { EventStore } from '../src/store/events.ts';
import { EventLogs } from '../src/store/logs.ts';
import { startWorkers, type Workers } from '../src/workers/workers.ts';

export interface Ended {
  readonly event: StoredEvent;
  readonly phase: TerminalPhase;
  readonly log: readonly string[];
}

/** Events and logs in a data folder of their own, and workers once started. */
export class WorkerHarness {
  readonly data: string;
  /** The folder of the workers, below `data`. */
  folder = 'workers';
  readonly events: EventStore;
  readonly logs: EventLogs;
  readonly faults: unknown[] = [];
  readonly #changes = new Changes();
  readonly #ended = new Map<string, TerminalPhase>();
  readonly #printed = new Set<string>();
  #workers: Workers | undefined;
  #created = 1_795_352_368_000_000_000n;

  private constructor(data: string, events: EventStore, logs: EventLogs) {
    this.data = data;
    this.events = events;
    this.logs = logs;
  }

  static async make(t: Pick<TestContext, 'after'>): Promise<WorkerHarness> {
    const data = await mkdtemp(join(tmpdir(), 'workers-'));
    const database = openDatabase(join(data, 'brigade.db'));
    const events = new EventStore(database, () => BigInt(Date.now()) * 1_000_000n);
    const harness = new WorkerHarness(data, events, new EventLogs(database));
    t.after(async () => {
      await harness.close();
      database.close();
      await rm(data, { recursive: true });
    });
    return harness;
  }

  /** Adds an event, a millisecond younger than the previous one. */
  add(id: string, template: WorkerTemplate, payload = '{}'): string {
    this.#created += 1_000_000n;
    const project = { metadata: { id: 'a-project' }, spec: { workerTemplate: template } };
    const request = { source: 'brigade.sh/acr', type: 'push', qualifiers: { registry: 'example.azurecr.io' }, payload };
    this.events.add([newEvent(request, project, id, this.#created)], this.#created);
    return id;
  }

  start(concurrency = 2): Workers {
    this.#workers = startWorkers({
      events: this.events,
      logs: this.logs,
      folder: join(this.data, this.folder),
      concurrency,
      onOutput: ({ metadata }) => {
        this.#printed.add(metadata.id);
        this.#changes.notify();
      },
      onEnd: ({ metadata }, phase) => {
        this.#ended.set(metadata.id, phase);
        this.#changes.notify();
      },
      onFault: (fault) => this.faults.push(fault),
    });
    return this.#workers;
  }

  /** Resolves when its worker has printed something. */
  async printed(id: string): Promise<void> {
    await this.#changes.until(
      () => this.#printed.has(id) || undefined,
      () => `${id} printed nothing, ${this.faults}`,
    );
  }

  ended(id: string): Promise<TerminalPhase> {
    return this.#changes.until(
      () => this.#ended.get(id),
      () => `${id} is ${this.phaseOf(id)}, ${this.faults}\n${this.log(id).join('\n')}`,
    );
  }

  /** Runs one event to its end. */
  async run(template: WorkerTemplate, payload?: string): Promise<Ended> {
    const id = this.add('the-event', template, payload);
    this.start();
    const phase = await this.ended(id);
    const event = this.events.get(id);
    if (event === undefined) throw new Error('The event is gone.');
    return { event, phase, log: this.log(id) };
  }

  log(id: string): readonly string[] {
    const lines: string[] = [];
    let part = this.logs.read(id, 0);
    for (; part; part = this.logs.read(id, part.next)) lines.push(...part.lines.map(({ text }) => text));
    return lines;
  }

  phaseOf(id: string): string | undefined {
    return this.events.get(id)?.worker.status.phase;
  }

  async close(): Promise<void> {
    await this.#workers?.close();
  }
}
