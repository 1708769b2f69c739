import { goJson } from '../go-json.ts';
import type { Principal } from '../store/accounts.ts';
import type { EventSelector } from '../store/event-selector.ts';
import { changed, checkSourceState, hasEnded, newEvent, type StoredEvent, writtenState } from '../stored-event.ts';
import { type Answer, DONE, FORBIDDEN, json, object, refuse } from './answer.ts';
import { createEvents, type EventsApiParts, mayCreate, noSuchEvent } from './events-api.ts';
import { readSelector } from './list-query.ts';
import { readJson } from './request-body.ts';
import type { ApiRequest, Route } from './router.ts';

/** What can be done with events that are there. */
export function eventVerbRoutes(parts: EventsApiParts): readonly Route[] {
  const one = '/v2/events/{id}';
  const many = '/v2/events';
  return [
    { method: 'PUT', path: `${one}/cancellation`, access: 'token', serve: (request) => cancel(parts, request) },
    { method: 'POST', path: `${many}/cancellations`, access: 'token', serve: (request) => cancelMany(parts, request) },
    { method: 'DELETE', path: one, access: 'token', serve: (request) => remove(parts, request) },
    { method: 'DELETE', path: many, access: 'token', serve: (request) => removeMany(parts, request) },
    { method: 'POST', path: `${one}/clones`, access: 'token', serve: (request) => clone(parts, request) },
    { method: 'POST', path: `${one}/retries`, access: 'token', serve: (request) => retry(parts, request) },
    { method: 'PUT', path: `${one}/source-state`, access: 'token', serve: (request) => setSourceState(parts, request) },
  ];
}

function cancel({ events, projects, onEventEnded }: EventsApiParts, { principal, id }: ApiRequest): Answer {
  const event = events.get(id);
  if (!event) return noSuchEvent(id);
  if (!projects.belongsTo(event.projectID, principal)) return FORBIDDEN;
  if (!events.cancel(id)) {
    return conflict(id, `Event ${JSON.stringify(id)} was not canceled because it was already in a terminal state.`);
  }
  onEventEnded(id);
  return DONE;
}

function remove({ events, projects, onEventEnded }: EventsApiParts, { principal, id }: ApiRequest): Answer {
  const event = events.get(id);
  if (!event) return noSuchEvent(id);
  if (!projects.belongsTo(event.projectID, principal)) return FORBIDDEN;
  events.delete(id);
  onEventEnded(id);
  return DONE;
}

function cancelMany(parts: EventsApiParts, request: ApiRequest): Answer {
  const selected = selectMany(parts, request, 'cancel');
  if (selected.kind === 'refused') return selected.answer;
  const ids = parts.events.cancelMany(selected.selector);
  ids.forEach(parts.onEventEnded);
  return object(200, 'CancelManyEventsResult', { count: ids.length });
}

function removeMany(parts: EventsApiParts, request: ApiRequest): Answer {
  const selected = selectMany(parts, request, 'delete');
  if (selected.kind === 'refused') return selected.answer;
  const ids = parts.events.deleteMany(selected.selector);
  ids.forEach(parts.onEventEnded);
  return object(200, 'DeleteManyEventsResult', { count: ids.length });
}

type SelectedMany =
  | { readonly kind: 'selected'; readonly selector: EventSelector }
  | { readonly kind: 'refused'; readonly answer: Answer };

/** Many events are cancelled or deleted of one project, and by phase. */
function selectMany({ projects }: EventsApiParts, { principal, query }: ApiRequest, verb: string): SelectedMany {
  const read = readSelector(query);
  if (read.kind === 'bad') return refused(read.reason);
  const { selector } = read;
  const { projectID, workerPhases } = selector;
  if (!projectID) return refused(`Requests to ${verb} multiple events must be qualified by project.`);
  if (!projects.belongsTo(projectID, principal)) return { kind: 'refused', answer: FORBIDDEN };
  if (!workerPhases) return refused(`Requests to ${verb} multiple events must be qualified by worker phase(s).`);
  if (projects.get(projectID)) return { kind: 'selected', selector };
  return { kind: 'refused', answer: refuse({ kind: 'NotFoundError', type: 'Project', id: projectID }) };
}

function refused(reason: string): SelectedMany {
  return { kind: 'refused', answer: refuse({ kind: 'BadRequestError', reason }) };
}

/** The same event once more, to be handled as its project says today. */
function clone(parts: EventsApiParts, { principal, id }: ApiRequest): Answer {
  const event = parts.events.get(id);
  return event ? again(parts, principal, event, 'brigade.sh/cloneOf') : noSuchEvent(id);
}

/** The same event once more, to be handled as it was handled. */
function retry(parts: EventsApiParts, { principal, id }: ApiRequest): Answer {
  const event = parts.events.get(id);
  if (!event) return noSuchEvent(id);
  const { spec, status } = event.worker;
  if (!hasEnded(event)) {
    return conflict(
      id,
      `Event worker phase ${JSON.stringify(status.phase)} is non-terminal and may not yet be retried`,
    );
  }
  return again(parts, principal, event, 'brigade.sh/retryOf', { spec, status: { phase: 'PENDING' } });
}

function again(
  parts: EventsApiParts,
  principal: Principal,
  event: StoredEvent,
  label: string,
  worker?: StoredEvent['worker'],
): Answer {
  const { projectID, source, type, git } = event;
  const labels = { ...event.labels, [label]: event.metadata.id };
  const request = { projectID, source, type, qualifiers: event.qualifiers ?? null, labels, ...(git && { git }) };
  if (!mayCreate(parts, principal, request)) return FORBIDDEN;
  const [made] = createEvents(parts, request, (...of) => {
    const fresh = newEvent(...of);
    return changed(event, { metadata: fresh.metadata, labels, worker: worker ?? fresh.worker });
  });
  if (made) return json(201, goJson(made));
  // Brigade panics here, and hangs up without an answer.
  return conflict(event.metadata.id, `Project ${JSON.stringify(projectID)} is not subscribed to this event.`);
}

async function setSourceState({ events, roles }: EventsApiParts, request: ApiRequest): Promise<Answer> {
  const read = await readJson(request, checkSourceState);
  if (read.kind === 'refused') return read.answer;
  const event = events.get(request.id);
  if (!event) return noSuchEvent(request.id);
  if (!roles.holds(request.principal, { role: 'EVENT_CREATOR', source: event.source })) return FORBIDDEN;
  events.setSourceState(request.id, writtenState(read.value));
  return DONE;
}

function conflict(id: string, reason: string): Answer {
  return refuse({ kind: 'ConflictError', type: 'Event', id, reason });
}
