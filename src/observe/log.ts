import pino from 'pino';

/** What the rest of the program sees of the logger. */
export type Log = pino.Logger;

/** Bytes of log lines gathered before they are written, and for how long at most, milliseconds. */
const BUFFER = { bytes: 4096, ms: 100 };

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
  const destination = pretty ? await prettyStream() : bufferedStdout();
  return pino(
    {
      level,
      base: null,
      formatters: { level: (label) => ({ level: label }) },
      serializers: Object.fromEntries(SECRETS.map((name) => [name, () => '[redacted]'])),
    },
    destination,
  );
}

/** Writes every line before it returns. */
export function flushLog(log: Log): void {
  log.flush();
}

function bufferedStdout(): pino.DestinationStream {
  const stream = pino.destination({ dest: 1, sync: false, minLength: BUFFER.bytes, periodicFlush: BUFFER.ms });
  process.on('exit', () => stream.flushSync());
  return stream;
}

async function prettyStream(): Promise<pino.DestinationStream> {
  const { default: pretty } = await import('pino-pretty');
  return pretty({ sync: true, translateTime: 'SYS:HH:MM:ss', ignore: 'pid,hostname', singleLine: true });
}
