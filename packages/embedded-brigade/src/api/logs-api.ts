import { API_VERSION } from 'brigade-api/event';
import { hasEnded, type StoredEvent } from '../event.ts';
import { goJson, goTime, isTrue } from '../go.ts';
import type { Principal } from '../store/accounts.ts';
import type { EventStore } from '../store/events.ts';
import type { EventLogs, LogLine } from '../store/logs.ts';
import { errorAnswer } from './answers.ts';
import { type Api, type ApiContext, idOf } from './app.ts';

export interface LogsApiParts {
  readonly events: EventStore;
  readonly logs: EventLogs;
  /** True for root, the creator of the project, and those who may create events of the source. */
  readonly mayReadLogs: (principal: Principal, event: StoredEvent) => boolean;
}

export function logRoutes(app: Api, parts: LogsApiParts): void {
  app.get('/v2/events/:id/logs', (c) => stream(parts, c));
}

/** Answers when the worker has started, as Brigade does, with a body that grows while the worker prints. */
async function stream(parts: LogsApiParts, c: ApiContext): Promise<Response> {
  const id = idOf(c);
  const event = parts.events.get(id);
  if (!event) return errorAnswer({ kind: 'NotFoundError', type: 'Event', id });
  // Brigade intends to answer 403 here, and does not.
  if (!parts.mayReadLogs(c.var.principal, event)) return errorAnswer({ kind: 'InternalServerError' });
  const { job, container = '', follow: follows, sse, lastEventId = '' } = c.req.query();
  if (job) return errorAnswer({ kind: 'NotFoundError', type: 'Job', id: job });
  if (!hasContainer(event, container)) {
    return errorAnswer({ kind: 'NotFoundError', type: 'WorkerContainer', id: container });
  }
  if (isTrue(sse) && lastEventId !== '' && !/^[+-]?\d+$/.test(lastEventId)) {
    return errorAnswer({ kind: 'BadRequestError', reason: 'Value of last id was not parseable as an int' });
  }
  const signal = AbortSignal.any([c.req.raw.signal, c.env.closing]);
  await started(parts, id, signal);
  // No repository is cloned here, so the container that does it in a cluster prints nothing.
  const lines = container === 'vcs' ? NO_LINES : follow(parts, id, isTrue(follows), signal);
  const chunks = isTrue(sse) ? asEvents(lines, Number(lastEventId)) : asJson(lines);
  const body = ReadableStream.from(chunks).pipeThrough(new TextEncoderStream());
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
}

/** The worker of a project with git details has a container beside its own that clones the repository. */
function hasContainer({ worker }: StoredEvent, name: string): boolean {
  return ['', 'worker'].includes(name) || (name === 'vcs' && worker.spec.git !== undefined);
}

const NO_LINES: AsyncIterable<LogLine> = {
  async *[Symbol.asyncIterator]() {},
};

async function started({ events, logs }: LogsApiParts, id: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && events.get(id)?.worker.status.phase === 'PENDING') await logs.changed(id, signal);
}

/** The lines that are there. If it follows, also those that come until the worker has ended. */
async function* follow(
  { events, logs }: LogsApiParts,
  id: string,
  follows: boolean,
  signal: AbortSignal,
): AsyncGenerator<LogLine> {
  let at = 0;
  while (!signal.aborted) {
    // Read before the log: if the event has ended, no line can come after those.
    const event = events.get(id);
    for (let part = logs.read(id, at); part; part = logs.read(id, at)) {
      yield* part.lines;
      at = part.next;
    }
    if (!follows || !event || hasEnded(event)) return;
    await logs.changed(id, signal);
  }
}

async function* asJson(lines: AsyncIterable<LogLine>): AsyncGenerator<string> {
  for await (const line of lines) yield entry(line);
}

async function* asEvents(lines: AsyncIterable<LogLine>, after: number): AsyncGenerator<string> {
  let id = 0;
  for await (const line of lines) {
    id += 1;
    if (id > after) yield `event: message\ndata: ${entry(line)}\nid: ${id}\n\n`;
  }
  yield `event: done\ndata: done\nid: ${id + 1}\n\n`;
}

function entry({ ms, text }: LogLine): string {
  const time = goTime(BigInt(ms) * 1_000_000n);
  return goJson({ kind: 'LogEntry', apiVersion: API_VERSION, time, ...(text !== '' && { message: text }) });
}
