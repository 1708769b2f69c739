import type { Gateway } from '../gateway/gateway.ts';
import type { Fault } from '../model/fault.ts';
import { flushLog, type Log } from '../observe/log.ts';
import { describeError, EXIT_CODES, type ExitCode, exitCodeOf } from './exit-codes.ts';

/** Waits for what ends the process: a signal or a fault. The first one counts, even if it comes before `run`. */
export class Lifetime {
  readonly #log: Log;
  readonly #ended: Promise<ExitCode | 'signal'>;
  #end: (how: ExitCode | 'signal') => void = () => {};
  readonly #hurry = new AbortController();
  readonly #onSignal = (signal: NodeJS.Signals) => this.#signal(signal);
  #isEnding = false;

  constructor(log: Log) {
    this.#log = log;
    this.#ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    process.on('SIGTERM', this.#onSignal);
    process.on('SIGINT', this.#onSignal);
    process.on('uncaughtException', (error) => this.#crash(error));
    process.on('unhandledRejection', (error) => this.#crash(error));
  }

  /** For `startGateway`: a fault that the gateway cannot fix ends the process. */
  readonly onFault = (fault: Fault): void => {
    this.#log.fatal({ code: fault.code, detail: describeError(fault) }, 'gateway.faulted');
    this.#end(exitCodeOf(fault));
  };

  /** Resolves to the exit code: after a fault at once, after a signal when the gateway has stopped. */
  async run(gateway: Gateway): Promise<ExitCode> {
    const how = await this.#ended;
    if (how !== 'signal') {
      // No need to stop in order: what was acknowledged is on disk.
      flushLog(this.#log);
      return how;
    }
    await gateway.stop(this.#hurry.signal);
    this.#log.info('gateway.stopped');
    return EXIT_CODES.ok.code;
  }

  /** The first signal stops the gateway in order; the second cuts every wait short. */
  #signal(signal: NodeJS.Signals): void {
    if (this.#isEnding) {
      this.#log.warn({ signal }, 'gateway.hurried');
      this.#hurry.abort();
      return;
    }
    this.#isEnding = true;
    this.#log.info({ signal }, 'gateway.stopping');
    this.#end('signal');
  }

  #crash(error: unknown): void {
    this.#log.fatal({ err: error }, 'gateway.crashed');
    flushLog(this.#log);
    process.exit(EXIT_CODES.broken.code);
  }
}
