import { randomUUID } from 'node:crypto';
import { subscribers } from '../brigade/matching.ts';
import type { Accounts } from './accounts.ts';
import { type Answer, json, object, refuse } from './answer.ts';
import type { EventStore } from './event-store.ts';
import { goJson } from './go-json.ts';
import { readListQuery } from './list-query.ts';
import type { Project } from './project.ts';
import type { ApiRequest, Route } from './router.ts';
import { detail } from './schemas/check.ts';
import { checkEventRequest, type EventRequest, newEvent, type StoredEvent } from './stored-event.ts';

export interface EventsApiParts {
  readonly accounts: Accounts;
  readonly events: EventStore;
  readonly projects: () => readonly Project[];
  readonly onEvent: (event: StoredEvent) => void;
  /** Nanoseconds since the epoch. */
  readonly now: () => bigint;
}

export function eventRoutes(parts: EventsApiParts): readonly Route[] {
  return [
    { method: 'POST', path: '/v2/events', access: 'token', serve: (request) => create(parts, request) },
    { method: 'GET', path: '/v2/events', access: 'token', serve: (request) => list(parts, request) },
    { method: 'GET', path: '/v2/events/{id}', access: 'token', serve: (request) => get(parts, request) },
  ];
}

async function create(parts: EventsApiParts, { principal, body }: ApiRequest): Promise<Answer> {
  const text = await body();
  if (text === undefined) return refuse({ kind: 'InternalServerError' });
  const read = readEventRequest(text);
  if (read.kind === 'refused') return read.answer;
  const { request } = read;
  if (!parts.accounts.holds(principal, { role: 'EVENT_CREATOR', source: request.source })) {
    return refuse({ kind: 'AuthorizationError' });
  }
  const created = parts.now();
  const events = subscribers(parts.projects(), request).map((project) =>
    newEvent(request, project, randomUUID(), created),
  );
  parts.events.add(events, created);
  for (const event of events) parts.onEvent(event);
  return eventList(201, { remainingItemCount: 0 }, events);
}

type ReadEventRequest =
  | { readonly kind: 'read'; readonly request: EventRequest }
  | { readonly kind: 'refused'; readonly answer: Answer };

function readEventRequest(text: string): ReadEventRequest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Brigade does not say what is wrong with it.
    return badRequest('Request body contains malformed JSON');
  }
  const checked = checkEventRequest(value);
  if (checked.kind === 'valid') return { kind: 'read', request: checked.value };
  return badRequest('Request body failed JSON validation', checked.violations.map(detail));
}

function badRequest(reason: string, details?: readonly string[]): ReadEventRequest {
  return { kind: 'refused', answer: refuse({ kind: 'BadRequestError', reason, ...(details && { details }) }) };
}

function list({ accounts, events }: EventsApiParts, { principal, query }: ApiRequest): Answer {
  const read = readListQuery(query);
  if (read.kind === 'bad') return refuse({ kind: 'BadRequestError', reason: read.reason });
  if (!accounts.holds(principal, { role: 'READER' })) return refuse({ kind: 'AuthorizationError' });
  if (read.kind === 'lost') return refuse({ kind: 'InternalServerError' });
  const page = events.list(read.selector, read.limit, read.after);
  const next = page.end && `${page.end.created}:${page.end.id}`;
  return eventList(200, { ...(next && { continue: next }), remainingItemCount: page.remaining }, page.events);
}

function get({ accounts, events }: EventsApiParts, { principal, id }: ApiRequest): Answer {
  if (!accounts.holds(principal, { role: 'READER' })) return refuse({ kind: 'AuthorizationError' });
  const event = events.get(id);
  return event ? json(200, goJson(event)) : refuse({ kind: 'NotFoundError', type: 'Event', id });
}

function eventList(status: number, metadata: object, events: readonly StoredEvent[]): Answer {
  return object(status, 'EventList', { metadata, ...(events.length > 0 && { items: events }) });
}
