import { API_VERSION } from '../brigade/brigade-event.ts';
import { goMap, goTime } from './go-json.ts';
import type { Project } from './project.ts';
import { schemaCheck } from './schemas/check.ts';
import { EVENT_SCHEMA, SOURCE_STATE_SCHEMA } from './schemas/event-schema.ts';
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
  readonly sourceState?: SourceState;
}

/** What the source of an event keeps with it. */
export interface SourceState {
  readonly state?: Texts | undefined;
}

export const checkEventRequest = schemaCheck<EventRequest>(EVENT_SCHEMA);
export const checkSourceState = schemaCheck<SourceState>(SOURCE_STATE_SCHEMA);

/** In which a worker has ended, or will never start. */
export type TerminalPhase = 'ABORTED' | 'CANCELED' | 'FAILED' | 'SCHEDULING_FAILED' | 'SUCCEEDED' | 'TIMED_OUT';

export type WorkerPhase = 'PENDING' | 'STARTING' | 'RUNNING' | 'UNKNOWN' | TerminalPhase;

const GOES_ON: ReadonlySet<WorkerPhase> = new Set(['PENDING', 'STARTING', 'RUNNING', 'UNKNOWN']);

export interface WorkerStatus {
  readonly started?: string | undefined;
  readonly ended?: string | undefined;
  readonly phase: WorkerPhase;
}

/** An event of one project. Its fields stand in the order in which Brigade writes them; what is empty is left out. */
export interface StoredEvent {
  readonly kind: 'Event';
  readonly apiVersion: typeof API_VERSION;
  readonly metadata: { readonly id: string; readonly created: string };
  readonly projectID: string;
  readonly source: string;
  readonly sourceState?: SourceState | undefined;
  readonly type: string;
  readonly qualifiers?: Texts | undefined;
  readonly labels?: Texts | undefined;
  readonly shortTitle?: string | undefined;
  readonly longTitle?: string | undefined;
  readonly git?: GitDetails | undefined;
  readonly payload?: string | undefined;
  /** What the worker said of its work. */
  readonly summary?: string | undefined;
  readonly worker: { readonly spec: WorkerSpec; readonly status: WorkerStatus };
}

export function hasEnded({ worker }: StoredEvent): boolean {
  return !GOES_ON.has(worker.status.phase);
}

/** A new event for one project, waiting for its worker. `created` is in nanoseconds since the epoch. */
export function newEvent(request: EventRequest, project: Project, id: string, created: bigint): StoredEvent {
  return {
    kind: 'Event',
    apiVersion: API_VERSION,
    metadata: { id, created: goTime(created) },
    projectID: project.metadata.id,
    source: request.source,
    sourceState: request.sourceState && writtenState(request.sourceState),
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

/** The same event with other parts, its fields in order. */
export function changed(
  event: StoredEvent,
  parts: Partial<Pick<StoredEvent, 'metadata' | 'labels' | 'sourceState' | 'summary' | 'worker'>>,
): StoredEvent {
  const { kind, apiVersion, metadata, projectID, source, sourceState, ...rest } = { ...event, ...parts };
  const { type, qualifiers, labels, shortTitle, longTitle, git, payload, summary, worker } = rest;
  const head = { kind, apiVersion, metadata, projectID, source, sourceState, type, qualifiers, labels: goMap(labels) };
  return { ...head, shortTitle, longTitle, git, payload, summary, worker };
}

export function writtenState({ state }: SourceState): { readonly state: Texts | undefined } {
  return { state: goMap(state) };
}
