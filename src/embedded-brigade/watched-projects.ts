import { stat } from 'node:fs/promises';
import { type LoadedProjects, loadProjects, projectFiles } from './load-projects.ts';

/** As often as the gateway looks at its other files. */
const POLL_MS = 1000;

export interface WatchOptions {
  readonly folder: string;
  /** Told of what was read after each change. Neither may throw. */
  readonly onChange: (loaded: LoadedProjects) => void;
  readonly onFault: (error: unknown) => void;
  readonly pollMs?: number;
}

/**
 * The projects of a folder, which follow its files.
 *
 * It promises:
 * - a file that is bad, half written or cannot be read keeps the project that it gave before; one that is gone does not;
 * - a rewrite, a rename over a file and the swap of a symbolic link are all the same to it;
 * - a change counts once two looks in a row found it, so that a file caught while being written is not reported;
 * - it does not keep the process alive.
 */
export class WatchedProjects {
  readonly #options: WatchOptions;
  #loaded: LoadedProjects;
  /** What the last look found, and what was read last. */
  #seen: string;
  #read: string;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(options: WatchOptions, loaded: LoadedProjects, fingerprint: string) {
    this.#options = options;
    this.#loaded = loaded;
    this.#seen = fingerprint;
    this.#read = fingerprint;
    this.#arm();
  }

  /** `onChange` is not told of what is there now. */
  static async open(options: WatchOptions): Promise<WatchedProjects> {
    const fingerprint = await fingerprintOf(options.folder);
    return new WatchedProjects(options, await loadProjects(options.folder), fingerprint);
  }

  get folder(): string {
    return this.#options.folder;
  }

  current(): LoadedProjects {
    return this.#loaded;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #arm(): void {
    const look = () => {
      this.#look().catch(this.#options.onFault);
    };
    this.#timer = setTimeout(look, this.#options.pollMs ?? POLL_MS).unref();
  }

  async #look(): Promise<void> {
    try {
      const fingerprint = await fingerprintOf(this.#options.folder);
      const isSettled = fingerprint === this.#seen;
      this.#seen = fingerprint;
      if (isSettled && fingerprint !== this.#read) await this.#load(fingerprint);
    } finally {
      if (!this.#closed) this.#arm();
    }
  }

  async #load(fingerprint: string): Promise<void> {
    const loaded = await loadProjects(this.#options.folder, this.#loaded);
    if (this.#closed) return;
    this.#read = fingerprint;
    this.#loaded = loaded;
    this.#options.onChange(loaded);
  }
}

/** Of the names, and of what lies behind them: sizes and times to the nanosecond, for not every file is read each second. */
async function fingerprintOf(folder: string): Promise<string> {
  try {
    const files = await projectFiles(folder);
    return (await Promise.all(files.map(lookAt))).join('\n');
  } catch (error) {
    return String(error);
  }
}

async function lookAt(file: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
    return [file, ino, size, mtimeNs, ctimeNs].join();
  } catch (error) {
    return `${file},${error}`;
  }
}
