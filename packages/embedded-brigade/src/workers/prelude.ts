import { readFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { inspect } from 'node:util';
import { EventRegistry, Job } from '@brigadecore/brigadier';

// Loaded into each worker's process after `fence.ts` and before its script. The brigadier on npm is made to try scripts out.
// This turns it into the one in Brigade's worker image.

const EVENT_FILE = join(dirname(process.argv[1] ?? ''), '..', 'event.json');

/** File descriptor of the pipe that carries the summary to `worker-process.ts`. */
const SUMMARY_PIPE = 4;

class WorkerEventRegistry extends EventRegistry {
  /** As in Brigade's worker: prints nothing, and the failure of one handler does not stop another. */
  override process(): void {
    process.on('unhandledRejection', fail);
    handle(() => this.fire(JSON.parse(readFileSync(EVENT_FILE, 'utf8')))).catch(fail);
  }
}

/** The summary is what the handler returns or resolves to. */
async function handle(fire: () => unknown): Promise<void> {
  const summary = await fire();
  if (typeof summary === 'string') writeSync(SUMMARY_PIPE, summary);
}

function fail(reason: unknown): void {
  process.stderr.write(`${inspect(reason)}\n`);
  process.exitCode = 1;
}

EventRegistry.prototype.process = WorkerEventRegistry.prototype.process;

Job.prototype.run = function run(this: Job): Promise<void> {
  const { name, primaryContainer } = this;
  process.stdout.write(
    `Job "${name}" (${primaryContainer.image}) needs a cluster: it is skipped, as if it had succeeded.\n`,
  );
  return Promise.resolve();
};
