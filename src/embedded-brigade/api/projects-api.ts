import { goJson } from '../go-json.ts';
import { checkProject, projectDocument } from '../project.ts';
import type { Principal } from '../store/accounts.ts';
import type { EventStore } from '../store/event-store.ts';
import type { ProjectStore } from '../store/projects.ts';
import type { Roles } from '../store/roles.ts';
import { type Answer, DONE, FORBIDDEN, json, list, refuse } from './answer.ts';
import { isTrue, readPageQuery } from './list-query.ts';
import { readJson } from './request-body.ts';
import type { ApiRequest, Route } from './router.ts';

export interface ProjectsApiParts {
  readonly roles: Roles;
  readonly projects: ProjectStore;
  readonly events: EventStore;
  /** Told of each event that is no more, or whose worker is to be no more. */
  readonly onEventEnded: (id: string) => void;
  /** Nanoseconds since the epoch. */
  readonly now: () => bigint;
}

export function projectRoutes(parts: ProjectsApiParts): readonly Route[] {
  const one = '/v2/projects/{id}';
  const all = '/v2/projects';
  return [
    { method: 'POST', path: all, access: 'token', serve: (request) => create(parts, request) },
    { method: 'GET', path: all, access: 'token', serve: (request) => listAll(parts, request) },
    { method: 'GET', path: one, access: 'token', serve: (request) => get(parts, request) },
    { method: 'PUT', path: one, access: 'token', serve: (request) => update(parts, request) },
    { method: 'DELETE', path: one, access: 'token', serve: (request) => remove(parts, request) },
  ];
}

async function create(parts: ProjectsApiParts, request: ApiRequest): Promise<Answer> {
  const { projects, now } = parts;
  const read = await readJson(request, checkProject);
  if (read.kind === 'refused') return read.answer;
  if (!mayCreate(parts, request.principal)) return FORBIDDEN;
  const { id } = read.value.metadata;
  if (projects.get(id)) return conflict(id, `Project ${JSON.stringify(id)} already exists.`);
  return json(201, goJson(projectDocument(projects.add(read.value, request.principal, now()))));
}

function listAll({ projects, ...parts }: ProjectsApiParts, { principal, query }: ApiRequest): Answer {
  const page = readPageQuery(query);
  if (page.kind === 'bad') return refuse({ kind: 'BadRequestError', reason: page.reason });
  if (!mayRead(parts, principal)) return FORBIDDEN;
  const rest = projects.all().filter(({ metadata }) => metadata.id > page.after);
  const items = rest.slice(0, page.limit);
  const next = items.at(-1)?.metadata.id;
  return list(200, 'ProjectList', items.map(projectDocument), rest.length - items.length, next);
}

function get({ projects, ...parts }: ProjectsApiParts, { principal, id }: ApiRequest): Answer {
  if (!mayRead(parts, principal)) return FORBIDDEN;
  const project = projects.get(id);
  return project ? json(200, goJson(projectDocument(project))) : noSuchProject(id);
}

/** Answers with the project as it was sent, which is all that Brigade answers. */
async function update(parts: ProjectsApiParts, request: ApiRequest): Promise<Answer> {
  const { projects, now } = parts;
  const { id, principal, query } = request;
  const read = await readJson(request, checkProject);
  if (read.kind === 'refused') return read.answer;
  const project = read.value;
  if (project.metadata.id !== id) return refuse({ kind: 'BadRequestError', reason: OTHER_ID });
  if (!mayRead(parts, principal)) return FORBIDDEN;
  if (projects.get(id)) {
    if (!projects.belongsTo(id, principal)) return FORBIDDEN;
    if (projects.isOfFile(id)) return conflict(id, ofFile(id));
    projects.replace(project);
  } else {
    if (!isTrue(query.get('create'))) return noSuchProject(id);
    if (!mayCreate(parts, principal)) return FORBIDDEN;
    projects.add(project, principal, now());
  }
  return json(200, goJson(projectDocument(project)));
}

const OTHER_ID = 'The project IDs in the URL path and request body do not match.';

/** Deletes its events too. */
function remove({ projects, events, onEventEnded, ...parts }: ProjectsApiParts, { principal, id }: ApiRequest): Answer {
  if (!mayRead(parts, principal)) return FORBIDDEN;
  if (!projects.get(id)) return noSuchProject(id);
  if (!projects.belongsTo(id, principal)) return FORBIDDEN;
  if (projects.isOfFile(id)) return conflict(id, ofFile(id));
  for (const event of events.deleteMany({ projectID: id })) onEventEnded(event);
  projects.remove(id);
  return DONE;
}

function mayRead({ roles }: Pick<ProjectsApiParts, 'roles'>, principal: Principal): boolean {
  return roles.holds(principal, { role: 'READER' });
}

function mayCreate({ roles }: Pick<ProjectsApiParts, 'roles'>, principal: Principal): boolean {
  return roles.holds(principal, { role: 'PROJECT_CREATOR' });
}

/** Brigade knows no such projects, and so no such answer. */
function ofFile(id: string): string {
  return `Project ${JSON.stringify(id)} comes from a file of this server, and can be changed there only.`;
}

function conflict(id: string, reason: string): Answer {
  return refuse({ kind: 'ConflictError', type: 'Project', id, reason });
}

function noSuchProject(id: string): Answer {
  return refuse({ kind: 'NotFoundError', type: 'Project', id });
}
