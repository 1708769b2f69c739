import pino from 'pino';

/** What the rest of the program sees of the logger. */
export type Log = pino.Logger;

/** Characters of log lines gathered before they are written, and for how long at most, milliseconds. */
const GATHERED = { characters: 16_000, ms: 100 };

/** What may wait for a reader of standard output that does not read, bytes; lines beyond it are dropped, and counted. */
const WAITING_BYTES = 16 * 1024 * 1024;

/** Names under which a secret might stand in a log line. None is ever handed over; this is the net below that. */
const SECRETS = ['token', 'authorization', 'password', 'secret', 'key', 'cookie'];

export interface LogOptions {
  readonly level: string;
  /** For people instead of for machines. */
  readonly pretty: boolean;
}

/**
 * Logs to standard output: a JSON object a line, the event's name as `msg`. Lines are gathered for a moment, so that
 * they cost little; `flushLog` writes what is left.
 */
export async function createLog({ level, pretty }: LogOptions): Promise<Log> {
  const options: pino.LoggerOptions = {
    level,
    base: null,
    formatters: { level: (label) => ({ level: label }) },
    serializers: Object.fromEntries(SECRETS.map((name) => [name, () => '[redacted]'])),
  };
  if (pretty) return pino(options, await prettyStream());
  const log: Log = pino(
    options,
    bufferedStdout((count) => log.error({ count }, 'log.dropped')),
  );
  return log;
}

/** Writes every line before it returns. */
export function flushLog(log: Log): void {
  log.flush();
}

/**
 * Gathers lines by itself: the stream would measure all that it holds anew with every line. `onDropped` is told how many
 * lines were lost, once somebody reads again.
 */
function bufferedStdout(onDropped: (lines: number) => void): pino.DestinationStream & { flush(): void } {
  const stream = pino.destination({ dest: 1, sync: false, maxLength: WAITING_BYTES });
  const lastWords = pino.destination({ dest: 1, sync: true });
  let lines: string[] = [];
  let characters = 0;
  let dropped = 0;
  stream.on('drop', (text: string) => {
    dropped += text.split('\n').length - 1;
  });
  stream.on('drain', () => {
    if (dropped > 0) onDropped(dropped);
    dropped = 0;
  });
  const takeLines = () => {
    const text = lines.join('');
    lines = [];
    characters = 0;
    return text;
  };
  const handOver = () => {
    if (lines.length > 0) stream.write(takeLines());
  };
  const flush = () => {
    stream.flushSync();
    if (lines.length > 0) lastWords.write(takeLines());
  };
  setInterval(handOver, GATHERED.ms).unref();
  process.on('exit', flush);
  return {
    write: (line) => {
      lines.push(line);
      characters += line.length;
      if (characters >= GATHERED.characters) handOver();
    },
    flush,
  };
}

async function prettyStream(): Promise<pino.DestinationStream> {
  const { default: pretty } = await import('pino-pretty');
  return pretty({ sync: true, translateTime: 'SYS:HH:MM:ss', ignore: 'pid,hostname', singleLine: true });
}
