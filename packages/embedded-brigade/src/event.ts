import { API_VERSION } from 'brigade-api/event';
import { goMap, goTime } from './go.ts';
import { type GitDetails, gitDetails, type Project, type WorkerSpec, workerSpec } from './project.ts';
import { type Check, schemaCheck } from './schema-check.ts';
import { EVENT_SCHEMA, SOURCE_STATE_SCHEMA } from './schemas.ts';

type Texts = Readonly<Record<string, string>>;

/** The body of `POST /v2/events`. Each subscribed project gets an event of its own that is made of it. */
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

/** State that the source of an event stores with it. */
export interface SourceState {
  readonly state?: Texts | undefined;
}

export const checkEventRequest: Check<EventRequest> = schemaCheck(EVENT_SCHEMA);
export const checkSourceState: Check<SourceState> = schemaCheck(SOURCE_STATE_SCHEMA);

/** A phase of a worker that has ended, or that will never start. */
export type TerminalPhase = 'ABORTED' | 'CANCELED' | 'FAILED' | 'SCHEDULING_FAILED' | 'SUCCEEDED' | 'TIMED_OUT';

export type WorkerPhase = 'PENDING' | 'STARTING' | 'RUNNING' | 'UNKNOWN' | TerminalPhase;

const UNFINISHED: ReadonlySet<WorkerPhase> = new Set(['PENDING', 'STARTING', 'RUNNING', 'UNKNOWN']);

export interface WorkerStatus {
  readonly started?: string | undefined;
  readonly ended?: string | undefined;
  readonly phase: WorkerPhase;
}

/** An event of one project. Its fields stand in the order in which Brigade writes them. Empty fields are omitted. */
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
  /** A short text that the worker returned. */
  readonly summary?: string | undefined;
  readonly worker: { readonly spec: WorkerSpec; readonly status: WorkerStatus };
}

export function hasEnded({ worker }: StoredEvent): boolean {
  return !UNFINISHED.has(worker.status.phase);
}

/** A new event of one project, pending. `created` is in nanoseconds since the epoch. */
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

/** The same event with some fields replaced, its fields still in order. */
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
