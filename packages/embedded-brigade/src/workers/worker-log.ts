import type { EventLogs, LogLine } from '../store/logs.ts';

/** The output of one worker, bytes. The rest is dropped, and the log says so. */
const MAX_BYTES = 1024 * 1024;

/** UTF-16 units; the rest of a longer line is dropped. */
const MAX_LINE_LENGTH = 16 * 1024;

/** Added to the size of each line, so that empty lines are bounded too. */
const LINE_BYTES = 16;

/** Lines are written in parts of this size, or after this time, so that a worker that prints much causes few writes. */
const PART_BYTES = 64 * 1024;
const PART_MS = 100;

export interface WorkerLogOptions {
  /** Called with each line that is stored. Neither may throw. */
  readonly onLine: (line: string) => void;
  readonly onFault: (error: unknown) => void;
}

/** Splits the output of one worker into lines, bounded in length and number, and stores them in parts. */
export class WorkerLog {
  readonly #logs: EventLogs;
  readonly #event: string;
  readonly #options: WorkerLogOptions;
  #unfinished = '';
  #lines: LogLine[] = [];
  #partBytes = 0;
  #printedBytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(logs: EventLogs, event: string, options: WorkerLogOptions) {
    this.#logs = logs;
    this.#event = event;
    this.#options = options;
  }

  /** Adds a piece of output, which may end within a line. False if the log is full. */
  print(text: string): boolean {
    const [first = '', ...others] = text.split('\n');
    this.#extend(first);
    for (const line of others) {
      this.#finish();
      this.#extend(line);
    }
    return !this.#isFull;
  }

  /** Adds a line of ours, even if the log is full. */
  note(text: string): void {
    if (this.#unfinished !== '') this.#finish();
    this.#add(text);
  }

  /** Stores what is left. */
  end(): void {
    if (this.#unfinished !== '') this.#finish();
    this.#flush();
  }

  get #isFull(): boolean {
    return this.#printedBytes > MAX_BYTES;
  }

  #extend(text: string): void {
    if (this.#unfinished.length <= MAX_LINE_LENGTH) this.#unfinished += text.slice(0, MAX_LINE_LENGTH + 1);
  }

  #finish(): void {
    const line = this.#unfinished.replace(/\r$/, '');
    this.#unfinished = '';
    if (this.#isFull) return;
    const text = line.length > MAX_LINE_LENGTH ? `${line.slice(0, MAX_LINE_LENGTH)}…` : line;
    this.#printedBytes += Buffer.byteLength(text) + LINE_BYTES;
    this.#add(
      this.#printedBytes > MAX_BYTES ? 'What the worker printed after this is not kept: its log is full.' : text,
    );
  }

  #add(text: string): void {
    this.#lines.push({ ms: Date.now(), text });
    this.#partBytes += Buffer.byteLength(text) + LINE_BYTES;
    this.#options.onLine(text);
    if (this.#partBytes >= PART_BYTES) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), PART_MS);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const lines = this.#lines;
    this.#lines = [];
    this.#partBytes = 0;
    if (lines.length === 0) return;
    try {
      this.#logs.append(this.#event, lines);
    } catch (error) {
      // The worker continues without this part of its log.
      this.#options.onFault(error);
    }
  }
}
