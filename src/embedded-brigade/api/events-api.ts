import { randomUUID } from 'node:crypto';
import { subscribers } from '../../brigade/matching.ts';
import { goJson } from '../go-json.ts';
import type { Principal } from '../store/accounts.ts';
import type { EventStore } from '../store/event-store.ts';
import type { ProjectStore } from '../store/projects.ts';
import type { Roles } from '../store/roles.ts';
import { checkEventRequest, type EventRequest, newEvent, type StoredEvent } from '../stored-event.ts';
import { type Answer, FORBIDDEN, json, list, refuse } from './answer.ts';
import { readListQuery } from './list-query.ts';
import { readJson } from './request-body.ts';
import type { ApiRequest, Route } from './router.ts';

export interface EventsApiParts {
  readonly roles: Roles;
  readonly projects: ProjectStore;
  readonly events: EventStore;
  /** Told of each event that is durable, before the client is. */
  readonly onEvent: (event: StoredEvent) => void;
  /** Told of each event that is no more, or whose worker is to be no more. */
  readonly onEventEnded: (id: string) => void;
  /** Nanoseconds since the epoch. */
  readonly now: () => bigint;
}

export function eventRoutes(parts: EventsApiParts): readonly Route[] {
  return [
    { method: 'POST', path: '/v2/events', access: 'token', serve: (request) => create(parts, request) },
    { method: 'GET', path: '/v2/events', access: 'token', serve: (request) => listSome(parts, request) },
    { method: 'GET', path: '/v2/events/{id}', access: 'token', serve: (request) => get(parts, request) },
  ];
}

async function create(parts: EventsApiParts, request: ApiRequest): Promise<Answer> {
  const read = await readJson(request, checkEventRequest);
  if (read.kind === 'refused') return read.answer;
  if (!mayCreate(parts, request.principal, read.value)) return FORBIDDEN;
  return list(201, 'EventList', createEvents(parts, read.value), 0);
}

/** Who made a project may make any event for it; else it takes the role for the source. */
export function mayCreate(
  { roles, projects }: Pick<EventsApiParts, 'roles' | 'projects'>,
  principal: Principal,
  { projectID, source }: Pick<EventRequest, 'projectID' | 'source'>,
): boolean {
  if (projectID && projects.belongsTo(projectID, principal)) return true;
  return roles.holds(principal, { role: 'EVENT_CREATOR', source });
}

/** Makes an event for each project that is subscribed. */
export function createEvents(
  { projects, events, onEvent, now }: EventsApiParts,
  request: EventRequest,
  make: typeof newEvent = newEvent,
): readonly StoredEvent[] {
  const created = now();
  const made = subscribers(projects.all(), request).map((project) => make(request, project, randomUUID(), created));
  events.add(made, created);
  for (const event of made) onEvent(event);
  return made;
}

function listSome({ roles, events }: EventsApiParts, { principal, query }: ApiRequest): Answer {
  const read = readListQuery(query);
  if (read.kind === 'bad') return refuse({ kind: 'BadRequestError', reason: read.reason });
  if (!roles.holds(principal, { role: 'READER' })) return FORBIDDEN;
  if (read.kind === 'lost') return refuse({ kind: 'InternalServerError' });
  const page = events.list(read.selector, read.limit, read.after);
  return list(200, 'EventList', page.events, page.remaining, page.end && `${page.end.created}:${page.end.id}`);
}

function get({ roles, events }: EventsApiParts, { principal, id }: ApiRequest): Answer {
  if (!roles.holds(principal, { role: 'READER' })) return FORBIDDEN;
  const event = events.get(id);
  return event ? json(200, goJson(event)) : noSuchEvent(id);
}

export function noSuchEvent(id: string): Answer {
  return refuse({ kind: 'NotFoundError', type: 'Event', id });
}
