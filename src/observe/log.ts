import pino from 'pino';
import { printableLines } from '../model/printable.ts';

/** The logger as the rest of the program sees it. */
export type Log = pino.Logger;

/** Log lines are buffered up to so many characters, or for so many milliseconds. */
const BUFFER = { characters: 16_000, ms: 100 };

/** The most bytes that wait while standard output is not read. Further lines are dropped and counted. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;

/** How long the end of the process waits for standard output to be read, milliseconds. What is left then is lost. */
const FLUSH_MS = 1000;

/** Field names of secrets. No code logs one; this is the second line of defence. */
const SECRETS = ['token', 'authorization', 'password', 'secret', 'key', 'cookie'];

/** Fields that pino serializes in its own way. */
const SERIALIZED = ['err', ...SECRETS];

export interface LogOptions {
  readonly level: string;
  /** Readable lines instead of JSON. */
  readonly pretty: boolean;
}

/**
 * Logs to standard output: one JSON object a line, with the event's name as `msg`. What is not printable is escaped, so that a
 * line can be shown on a terminal. Lines are buffered for a moment, which makes them cheap; `flushLog` writes what is left.
 */
export async function createLog({ level, pretty }: LogOptions): Promise<Log> {
  const options: pino.LoggerOptions = {
    level,
    base: null,
    formatters: { level: (label) => ({ level: label }) },
    serializers: Object.fromEntries(SECRETS.map((name) => [name, () => '[redacted]'])),
  };
  if (pretty) return pino(options, await prettyStream());
  const stream = bufferedStdout((count) => log.error({ count }, 'log.dropped'));
  const log: Log = pino({ ...options, hooks: { logMethod: quickLines(stream) } }, stream);
  return log;
}

type LogMethod = NonNullable<NonNullable<pino.LoggerOptions['hooks']>['logMethod']>;

/** Writes the lines that need nothing of pino in one pass, which takes half as long. */
function quickLines(stream: pino.DestinationStream): LogMethod {
  return function write(args, method, level) {
    const [fields, message]: readonly unknown[] = args;
    if (args.length === 2 && isPlain(fields) && typeof message === 'string') {
      const head = `{"level":"${this.levels.labels[level]}","time":${Date.now()}`;
      const text = JSON.stringify(fields).slice(1, -1);
      stream.write(`${head}${text === '' ? '' : ','}${text},"msg":${JSON.stringify(message)}}\n`);
    } else method.apply(this, args);
  };
}

/** Whether pino would write the fields as `JSON.stringify` does. */
function isPlain(fields: unknown): fields is object {
  if (typeof fields !== 'object' || fields === null || Object.getPrototypeOf(fields) !== Object.prototype) return false;
  return !SERIALIZED.some((name) => name in fields);
}

/** Writes all buffered lines before it returns, if standard output is read. For the end of the process. */
export function flushLog(log: Log): void {
  log.flush();
}

/**
 * Has a buffer of its own, because the stream measures its whole buffer with every line. `onDropped` is called with the number
 * of lost lines when standard output is read again.
 */
function bufferedStdout(onDropped: (lines: number) => void): pino.DestinationStream & { flush(): void } {
  // Node opens standard output as it is first used. From then on a full pipe answers EAGAIN, and blocks neither us nor the exit.
  void process.stdout;
  let flushEndsAt = Number.POSITIVE_INFINITY;
  const retryEAGAIN = () => performance.now() < flushEndsAt;
  const stream = pino.destination({ dest: 1, sync: false, maxLength: MAX_WAITING_BYTES, retryEAGAIN });
  const finalStream = pino.destination({ dest: 1, sync: true, retryEAGAIN });
  for (const each of [stream, finalStream]) {
    each.on('error', () => {
      // Standard output is not read, or closed: there is nowhere to report it.
    });
  }
  let lines: string[] = [];
  let characters = 0;
  let dropped = 0;
  let timer: NodeJS.Timeout | undefined;
  stream.on('drop', (text: string) => {
    dropped += text.split('\n').length - 1;
  });
  stream.on('drain', () => {
    if (dropped > 0) onDropped(dropped);
    dropped = 0;
  });
  const takeBuffer = () => {
    const text = lines.join('');
    lines = [];
    characters = 0;
    return text;
  };
  const writeBuffer = () => {
    clearTimeout(timer);
    timer = undefined;
    if (lines.length > 0) stream.write(takeBuffer());
  };
  const flush = () => {
    flushEndsAt = Math.min(flushEndsAt, performance.now() + FLUSH_MS);
    try {
      stream.flushSync();
      if (lines.length > 0) finalStream.write(takeBuffer());
    } catch {
      // As above.
    }
  };
  // Before pino's own listener, which would wait for ever; it leaves a destroyed stream alone.
  process.prependListener('exit', () => {
    flush();
    stream.destroy();
  });
  return {
    write: (line) => {
      lines.push(printableLines(line));
      characters += line.length;
      if (characters >= BUFFER.characters) writeBuffer();
      else timer ??= setTimeout(writeBuffer, BUFFER.ms).unref();
    },
    flush,
  };
}

async function prettyStream(): Promise<pino.DestinationStream> {
  const { prettyFactory } = await import('pino-pretty');
  const format = prettyFactory({ translateTime: 'SYS:HH:MM:ss', ignore: 'pid,hostname', singleLine: true });
  const stdout = pino.destination({ dest: 1, sync: true });
  return { write: (line) => void stdout.write(format(withPrintableTexts(JSON.parse(line)))) };
}

/** The colours are added later. */
function withPrintableTexts(value: unknown): unknown {
  if (typeof value === 'string') return printableLines(value);
  if (Array.isArray(value)) return value.map(withPrintableTexts);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [printableLines(name), withPrintableTexts(item)]),
  );
}
