import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { compilePreload } from './preload.ts';
import { aFolder, type Env } from './serve-process.ts';
import type { Cleanup } from './stub-brigade.ts';

/** As in `faults.c`. */
const FAULTS = { eioRead: 1, eioWrite: 2, enospc: 4, erofs: 8, failedSync: 16, slow: 32, short: 64 } as const;

export type DiskFault = keyof typeof FAULTS;

/** Switches faults of a process's disk on and off while it runs. */
export class DiskFaults {
  /** Of the process. */
  readonly env: Env;
  readonly #fd: number;

  private constructor(env: Env, fd: number) {
    this.env = env;
    this.#fd = fd;
  }

  /** Only files below `folder` fail. */
  static async create(t: Cleanup, folder: string): Promise<DiskFaults> {
    const control = join(await aFolder(t), 'control');
    writeFileSync(control, new Uint8Array(2));
    const fd = openSync(control, 'r+');
    t.after(() => closeSync(fd));
    const library = compilePreload(new URL('./faults.c', import.meta.url));
    return new DiskFaults({ LD_PRELOAD: library, FAULTS_FOLDER: folder, FAULTS_CONTROL: control }, fd);
  }

  /** From now on, so many calls in a hundred fail that these faults can hit. */
  set(faults: readonly DiskFault[], percent = 100): void {
    const sum = faults.reduce((bits, fault) => bits | FAULTS[fault], 0);
    writeSync(this.#fd, Uint8Array.of(sum, percent), 0, 2, 0);
  }

  clear(): void {
    this.set([]);
  }
}
