import { randomUUID } from 'node:crypto';
import { subscribers } from 'brigade-api/matching';
import {
  changed,
  checkEventRequest,
  checkSourceState,
  type EventRequest,
  hasEnded,
  newEvent,
  type StoredEvent,
  writtenState,
} from '../event.ts';
import { goJson } from '../go.ts';
import type { Principal, Roles } from '../store/accounts.ts';
import type { EventSelector, EventStore } from '../store/events.ts';
import type { ProjectStore } from '../store/projects.ts';
import { done, errorAnswer, forbidden, json, list, object } from './answers.ts';
import { type Api, type ApiContext, idOf, readJson } from './app.ts';
import { readListQuery, readSelector } from './query.ts';

export interface EventsApiParts {
  readonly roles: Roles;
  readonly projects: ProjectStore;
  readonly events: EventStore;
  /** Called for each event once it is durable, before the client gets its answer. */
  readonly onEvent: (event: StoredEvent) => void;
  /** Called for each event that was deleted or canceled. */
  readonly onEventEnded: (id: string) => void;
  /** Nanoseconds since the epoch. */
  readonly now: () => bigint;
}

export function eventRoutes(app: Api, parts: EventsApiParts): void {
  app.post('/v2/events', (c) => create(parts, c));
  app.get('/v2/events', (c) => listSome(parts, c));
  app.delete('/v2/events', (c) => removeMany(parts, c));
  app.post('/v2/events/cancellations', (c) => cancelMany(parts, c));
  app.get('/v2/events/:id', (c) => get(parts, c));
  app.delete('/v2/events/:id', (c) => remove(parts, c));
  app.put('/v2/events/:id/cancellation', (c) => cancel(parts, c));
  app.post('/v2/events/:id/clones', (c) => clone(parts, c));
  app.post('/v2/events/:id/retries', (c) => retry(parts, c));
  app.put('/v2/events/:id/source-state', (c) => setSourceState(parts, c));
}

async function create(parts: EventsApiParts, c: ApiContext): Promise<Response> {
  const read = await readJson(c, checkEventRequest);
  if (read.kind === 'rejected') return read.answer;
  if (!mayCreate(parts, c.var.principal, read.value)) return forbidden();
  return list(201, 'EventList', createEvents(parts, read.value), 0);
}

/** The creator of a project may create any event for it. Others need the role for the source. */
export function mayCreate(
  { roles, projects }: Pick<EventsApiParts, 'roles' | 'projects'>,
  principal: Principal,
  { projectID, source }: Pick<EventRequest, 'projectID' | 'source'>,
): boolean {
  if (projectID && projects.belongsTo(projectID, principal)) return true;
  return roles.holds(principal, { role: 'EVENT_CREATOR', source });
}

/** Creates an event for each subscribed project. */
function createEvents(
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

function listSome({ roles, events }: EventsApiParts, c: ApiContext): Response {
  const read = readListQuery(c);
  if (read.kind === 'bad') return errorAnswer({ kind: 'BadRequestError', reason: read.reason });
  if (!roles.holds(c.var.principal, { role: 'READER' })) return forbidden();
  if (read.kind === 'lost') return errorAnswer({ kind: 'InternalServerError' });
  const page = events.list(read.selector, read.limit, read.after);
  return list(200, 'EventList', page.events, page.remaining, page.end && `${page.end.created}:${page.end.id}`);
}

function get({ roles, events }: EventsApiParts, c: ApiContext): Response {
  if (!roles.holds(c.var.principal, { role: 'READER' })) return forbidden();
  const event = events.get(idOf(c));
  return event ? json(200, goJson(event)) : noSuchEvent(idOf(c));
}

function cancel({ events, projects, onEventEnded }: EventsApiParts, c: ApiContext): Response {
  const id = idOf(c);
  const event = events.get(id);
  if (!event) return noSuchEvent(id);
  if (!projects.belongsTo(event.projectID, c.var.principal)) return forbidden();
  if (!events.cancel(id)) {
    return conflict(id, `Event ${JSON.stringify(id)} was not canceled because it was already in a terminal state.`);
  }
  onEventEnded(id);
  return done();
}

function remove({ events, projects, onEventEnded }: EventsApiParts, c: ApiContext): Response {
  const id = idOf(c);
  const event = events.get(id);
  if (!event) return noSuchEvent(id);
  if (!projects.belongsTo(event.projectID, c.var.principal)) return forbidden();
  events.delete(id);
  onEventEnded(id);
  return done();
}

function cancelMany(parts: EventsApiParts, c: ApiContext): Response {
  const selected = selectMany(parts, c, 'cancel');
  if (selected.kind === 'rejected') return selected.answer;
  const ids = parts.events.cancelMany(selected.selector);
  ids.forEach(parts.onEventEnded);
  return object(200, 'CancelManyEventsResult', { count: ids.length });
}

function removeMany(parts: EventsApiParts, c: ApiContext): Response {
  const selected = selectMany(parts, c, 'delete');
  if (selected.kind === 'rejected') return selected.answer;
  const ids = parts.events.deleteMany(selected.selector);
  ids.forEach(parts.onEventEnded);
  return object(200, 'DeleteManyEventsResult', { count: ids.length });
}

type SelectedMany =
  | { readonly kind: 'selected'; readonly selector: EventSelector }
  | { readonly kind: 'rejected'; readonly answer: Response };

/** The query must name one project and at least one phase. */
function selectMany({ projects }: EventsApiParts, c: ApiContext, verb: string): SelectedMany {
  const read = readSelector(c);
  if (read.kind === 'bad') return rejected(read.reason);
  const { selector } = read;
  const { projectID, workerPhases } = selector;
  if (!projectID) return rejected(`Requests to ${verb} multiple events must be qualified by project.`);
  if (!projects.belongsTo(projectID, c.var.principal)) return { kind: 'rejected', answer: forbidden() };
  if (!workerPhases) return rejected(`Requests to ${verb} multiple events must be qualified by worker phase(s).`);
  if (projects.get(projectID)) return { kind: 'selected', selector };
  return { kind: 'rejected', answer: errorAnswer({ kind: 'NotFoundError', type: 'Project', id: projectID }) };
}

function rejected(reason: string): SelectedMany {
  return { kind: 'rejected', answer: errorAnswer({ kind: 'BadRequestError', reason }) };
}

/** The same event again, with the worker that its project has now. */
function clone(parts: EventsApiParts, c: ApiContext): Response {
  const event = parts.events.get(idOf(c));
  return event ? again(parts, c.var.principal, event, 'brigade.sh/cloneOf') : noSuchEvent(idOf(c));
}

/** The same event again, with the worker that it had. */
function retry(parts: EventsApiParts, c: ApiContext): Response {
  const id = idOf(c);
  const event = parts.events.get(id);
  if (!event) return noSuchEvent(id);
  const { spec, status } = event.worker;
  if (!hasEnded(event)) {
    return conflict(
      id,
      `Event worker phase ${JSON.stringify(status.phase)} is non-terminal and may not yet be retried`,
    );
  }
  return again(parts, c.var.principal, event, 'brigade.sh/retryOf', { spec, status: { phase: 'PENDING' } });
}

function again(
  parts: EventsApiParts,
  principal: Principal,
  event: StoredEvent,
  label: string,
  worker?: StoredEvent['worker'],
): Response {
  const { projectID, source, type, git } = event;
  const labels = { ...event.labels, [label]: event.metadata.id };
  const request = { projectID, source, type, qualifiers: event.qualifiers ?? null, labels, ...(git && { git }) };
  if (!mayCreate(parts, principal, request)) return forbidden();
  const [made] = createEvents(parts, request, (...of) => {
    const fresh = newEvent(...of);
    return changed(event, { metadata: fresh.metadata, labels, worker: worker ?? fresh.worker });
  });
  if (made) return json(201, goJson(made));
  // Brigade panics here, and closes the connection without an answer.
  return conflict(event.metadata.id, `Project ${JSON.stringify(projectID)} is not subscribed to this event.`);
}

async function setSourceState({ events, roles }: EventsApiParts, c: ApiContext): Promise<Response> {
  const read = await readJson(c, checkSourceState);
  if (read.kind === 'rejected') return read.answer;
  const event = events.get(idOf(c));
  if (!event) return noSuchEvent(idOf(c));
  if (!roles.holds(c.var.principal, { role: 'EVENT_CREATOR', source: event.source })) return forbidden();
  events.setSourceState(idOf(c), writtenState(read.value));
  return done();
}

function conflict(id: string, reason: string): Response {
  return errorAnswer({ kind: 'ConflictError', type: 'Event', id, reason });
}

function noSuchEvent(id: string): Response {
  return errorAnswer({ kind: 'NotFoundError', type: 'Event', id });
}
