import { goJson, isTrue } from '../go.ts';
import { checkProject, projectDocument } from '../project.ts';
import type { Principal, Roles } from '../store/accounts.ts';
import type { EventStore } from '../store/events.ts';
import type { ProjectStore } from '../store/projects.ts';
import { done, errorAnswer, forbidden, json, list } from './answers.ts';
import { type Api, type ApiContext, idOf, readJson } from './app.ts';
import { readPageQuery } from './query.ts';

export interface ProjectsApiParts {
  readonly roles: Roles;
  readonly projects: ProjectStore;
  readonly events: EventStore;
  /** Called for each event that was deleted or canceled. */
  readonly onEventEnded: (id: string) => void;
  /** Nanoseconds since the epoch. */
  readonly now: () => bigint;
}

export function projectRoutes(app: Api, parts: ProjectsApiParts): void {
  app.post('/v2/projects', (c) => create(parts, c));
  app.get('/v2/projects', (c) => listAll(parts, c));
  app.get('/v2/projects/:id', (c) => get(parts, c));
  app.put('/v2/projects/:id', (c) => update(parts, c));
  app.delete('/v2/projects/:id', (c) => remove(parts, c));
  app.get('/v2/projects/:id/secrets', noSecrets);
  app.on(['PUT', 'DELETE'], '/v2/projects/:id/secrets/:key', noSecrets);
  app.on(['GET', 'POST', 'DELETE'], '/v2/projects/:id/role-assignments', noProjectRoles);
  app.get('/v2/project-role-assignments', noProjectRoles);
}

async function create(parts: ProjectsApiParts, c: ApiContext): Promise<Response> {
  const { projects, now } = parts;
  const read = await readJson(c, checkProject);
  if (read.kind === 'rejected') return read.answer;
  if (!mayCreate(parts, c.var.principal)) return forbidden();
  const { id } = read.value.metadata;
  if (projects.get(id)) return conflict(id, `Project ${JSON.stringify(id)} already exists.`);
  return json(201, goJson(projectDocument(projects.add(read.value, c.var.principal, now()))));
}

function listAll({ projects, ...parts }: ProjectsApiParts, c: ApiContext): Response {
  const page = readPageQuery(c);
  if (page.kind === 'bad') return errorAnswer({ kind: 'BadRequestError', reason: page.reason });
  if (!mayRead(parts, c.var.principal)) return forbidden();
  const rest = projects.all().filter(({ metadata }) => metadata.id > page.after);
  const items = rest.slice(0, page.limit);
  const next = items.at(-1)?.metadata.id;
  return list(200, 'ProjectList', items.map(projectDocument), rest.length - items.length, next);
}

function get({ projects, ...parts }: ProjectsApiParts, c: ApiContext): Response {
  if (!mayRead(parts, c.var.principal)) return forbidden();
  const project = projects.get(idOf(c));
  return project ? json(200, goJson(projectDocument(project))) : noSuchProject(idOf(c));
}

/** Answers with the project as it was sent, without what Brigade added, as Brigade does. */
async function update(parts: ProjectsApiParts, c: ApiContext): Promise<Response> {
  const { projects, now } = parts;
  const { principal } = c.var;
  const id = idOf(c);
  const read = await readJson(c, checkProject);
  if (read.kind === 'rejected') return read.answer;
  const project = read.value;
  if (project.metadata.id !== id) {
    const reason = 'The project IDs in the URL path and request body do not match.';
    return errorAnswer({ kind: 'BadRequestError', reason });
  }
  if (!mayRead(parts, principal)) return forbidden();
  if (projects.get(id)) {
    if (!projects.belongsTo(id, principal)) return forbidden();
    if (projects.isOfFile(id)) return conflict(id, ofFile(id));
    projects.replace(project);
  } else {
    if (!isTrue(c.req.query('create'))) return noSuchProject(id);
    if (!mayCreate(parts, principal)) return forbidden();
    projects.add(project, principal, now());
  }
  return json(200, goJson(projectDocument(project)));
}

/** Deletes the events of the project too. */
function remove({ projects, events, onEventEnded, ...parts }: ProjectsApiParts, c: ApiContext): Response {
  const { principal } = c.var;
  const id = idOf(c);
  if (!mayRead(parts, principal)) return forbidden();
  if (!projects.get(id)) return noSuchProject(id);
  if (!projects.belongsTo(id, principal)) return forbidden();
  if (projects.isOfFile(id)) return conflict(id, ofFile(id));
  for (const event of events.deleteMany({ projectID: id })) onEventEnded(event);
  projects.remove(id);
  return done();
}

function mayRead({ roles }: Pick<ProjectsApiParts, 'roles'>, principal: Principal): boolean {
  return roles.holds(principal, { role: 'READER' });
}

function mayCreate({ roles }: Pick<ProjectsApiParts, 'roles'>, principal: Principal): boolean {
  return roles.holds(principal, { role: 'PROJECT_CREATOR' });
}

/** Brigade has no projects of files, and so no such answer. */
function ofFile(id: string): string {
  return `Project ${JSON.stringify(id)} comes from a file of this server, and can be changed there only.`;
}

function conflict(id: string, reason: string): Response {
  return errorAnswer({ kind: 'ConflictError', type: 'Project', id, reason });
}

function noSuchProject(id: string): Response {
  return errorAnswer({ kind: 'NotFoundError', type: 'Project', id });
}

/** JSON, because `brig` cannot report a plain-text 404. */
function noSecrets(): Response {
  const reason = 'The embedded Brigade stores no secrets: workers run on this machine, and get none.';
  return errorAnswer({ kind: 'NotSupportedError', reason });
}

function noProjectRoles(): Response {
  const reason =
    'The embedded Brigade has no project roles: root, and the creator of a project, have all of them in it.';
  return errorAnswer({ kind: 'NotSupportedError', reason });
}
