import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { compilePreload } from './preload.ts';
import type { Env, Installation } from './serve-process.ts';
import type { Cleanup } from './stub-brigade.ts';

const LIBRARY = new URL('./clocks.c', import.meta.url);

/** The clocks of every process that is started with `env`. A test moves them while the processes run. */
export class ProcessClocks {
  readonly env: Env;
  readonly #control: number;
  #wrongMs = 0;
  #passedMs = 0;

  constructor(t: Cleanup, { folder }: Pick<Installation, 'folder'>) {
    const path = join(folder, 'clocks');
    this.#control = openSync(path, 'w');
    t.after(() => closeSync(this.#control));
    this.#write();
    this.env = { LD_PRELOAD: compilePreload(LIBRARY), CLOCKS_CONTROL: path };
  }

  /** Sets the time of day, so that it is wrong by that much. No time passes. */
  set(wrongMs: number): void {
    this.#wrongMs = wrongMs;
    this.#write();
  }

  /** Lets time pass, by all clocks. A process notices when it next wakes. */
  pass(ms: number): void {
    this.#passedMs += ms;
    this.#write();
  }

  #write(): void {
    const aheadMs = [this.#passedMs + this.#wrongMs, this.#passedMs];
    writeSync(this.#control, BigInt64Array.from(aheadMs.map((ms) => BigInt(ms))), 0, null, 0);
  }
}
