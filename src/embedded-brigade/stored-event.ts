import { API_VERSION } from '../brigade/brigade-event.ts';
import { goMap, goTime } from './go-json.ts';
import type { Project } from './project.ts';
import { schemaCheck } from './schemas/check.ts';
import { EVENT_SCHEMA } from './schemas/event-schema.ts';
import { type GitDetails, gitDetails, type WorkerSpec, workerSpec } from './worker-spec.ts';

type Texts = Readonly<Record<string, string>>;

/** The body of `POST /v2/events`: a template, of which each subscribed project gets an event of its own. */
export interface EventRequest {
  readonly projectID?: string;
  readonly source: string;
  readonly type: string;
  readonly qualifiers?: Texts | null;
  readonly labels?: Texts | null;
  readonly shortTitle?: string;
  readonly longTitle?: string;
  readonly git?: GitDetails;
  readonly payload?: string;
  readonly sourceState?: { readonly state?: Texts };
}

export const checkEventRequest = schemaCheck<EventRequest>(EVENT_SCHEMA);

type WorkerPhase =
  | 'ABORTED'
  | 'CANCELED'
  | 'FAILED'
  | 'PENDING'
  | 'RUNNING'
  | 'SCHEDULING_FAILED'
  | 'STARTING'
  | 'SUCCEEDED'
  | 'TIMED_OUT'
  | 'UNKNOWN';

/** An event of one project. Its fields stand in the order in which Brigade writes them; what is empty is left out. */
export interface StoredEvent {
  readonly kind: 'Event';
  readonly apiVersion: typeof API_VERSION;
  readonly metadata: { readonly id: string; readonly created: string };
  readonly projectID: string;
  readonly source: string;
  readonly sourceState?: { readonly state?: Texts | undefined } | undefined;
  readonly type: string;
  readonly qualifiers?: Texts | undefined;
  readonly labels?: Texts | undefined;
  readonly shortTitle?: string | undefined;
  readonly longTitle?: string | undefined;
  readonly git?: GitDetails | undefined;
  readonly payload?: string | undefined;
  readonly worker: { readonly spec: WorkerSpec; readonly status: { readonly phase: WorkerPhase } };
}

/** A new event for one project, waiting for its worker. `created` is in nanoseconds since the epoch. */
export function newEvent(request: EventRequest, project: Project, id: string, created: bigint): StoredEvent {
  const { sourceState } = request;
  return {
    kind: 'Event',
    apiVersion: API_VERSION,
    metadata: { id, created: goTime(created) },
    projectID: project.metadata.id,
    source: request.source,
    sourceState: sourceState && { state: goMap(sourceState.state) },
    type: request.type,
    qualifiers: goMap(request.qualifiers),
    labels: goMap(request.labels),
    shortTitle: request.shortTitle || undefined,
    longTitle: request.longTitle || undefined,
    git: request.git && gitDetails(request.git),
    payload: request.payload || undefined,
    worker: { spec: workerSpec(project.spec.workerTemplate, request.git), status: { phase: 'PENDING' } },
  };
}
