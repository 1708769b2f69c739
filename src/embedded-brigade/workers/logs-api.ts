import { API_VERSION } from '../../brigade/brigade-event.ts';
import { type Answer, refuse } from '../api/answer.ts';
import { isTrue } from '../api/list-query.ts';
import type { ApiRequest, Route } from '../api/router.ts';
import { goJson, goTime } from '../go-json.ts';
import type { Principal } from '../store/accounts.ts';
import { hasEnded, type StoredEvent } from '../stored-event.ts';
import type { EventLogs, LogLine } from './event-logs.ts';

export interface LogsApiParts {
  readonly events: { get(id: string): StoredEvent | undefined };
  readonly logs: EventLogs;
  /** Root, who created the project, and who may create events of the source. */
  readonly mayReadLogs: (principal: Principal, event: StoredEvent) => boolean;
}

export function logRoutes(parts: LogsApiParts): readonly Route[] {
  return [{ method: 'GET', path: '/v2/events/{id}/logs', access: 'token', serve: (request) => stream(parts, request) }];
}

/** Answers when the worker has started, as Brigade does, with a body that grows while the worker prints. */
async function stream(parts: LogsApiParts, { id, query, principal, signal }: ApiRequest): Promise<Answer> {
  const event = parts.events.get(id);
  if (!event) return refuse({ kind: 'NotFoundError', type: 'Event', id });
  // Brigade means to say 403 here, and forgets.
  if (!parts.mayReadLogs(principal, event)) return refuse({ kind: 'InternalServerError' });
  const [job, container] = [query.get('job'), query.get('container')];
  if (job) return refuse({ kind: 'NotFoundError', type: 'Job', id: job });
  if (container && container !== 'worker') {
    return refuse({ kind: 'NotFoundError', type: 'WorkerContainer', id: container });
  }
  const lastEventId = query.get('lastEventId') || '0';
  if (isTrue(query.get('sse')) && !/^[+-]?\d+$/.test(lastEventId)) {
    return refuse({ kind: 'BadRequestError', reason: 'Value of last id was not parseable as an int' });
  }
  await started(parts, id, signal);
  const lines = follow(parts, id, isTrue(query.get('follow')), signal);
  return {
    status: 200,
    headers: { 'content-type': 'text/event-stream' },
    body: isTrue(query.get('sse')) ? asEvents(lines, Number(lastEventId)) : asJson(lines),
  };
}

async function started({ events, logs }: LogsApiParts, id: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && events.get(id)?.worker.status.phase === 'PENDING') await logs.changed(id, signal);
}

/** What is there; then, if it is to follow, what comes until the worker has ended. */
async function* follow(
  { events, logs }: LogsApiParts,
  id: string,
  follows: boolean,
  signal: AbortSignal,
): AsyncGenerator<LogLine> {
  let at = 0;
  while (!signal.aborted) {
    // Asked before the log is read: an event that has ended has no more lines than those.
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
