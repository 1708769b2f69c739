import { API_VERSION, type Subscription } from '../brigade/brigade-event.ts';
import { goMap } from './go-json.ts';
import { schemaCheck } from './schemas/check.ts';
import { PROJECT_SCHEMA } from './schemas/project-schema.ts';
import { type WorkerTemplate, writtenTemplate } from './worker-spec.ts';

export interface Project {
  readonly metadata: { readonly id: string };
  readonly description?: string;
  readonly spec: {
    readonly eventSubscriptions?: readonly Subscription[] | null;
    readonly workerTemplate: WorkerTemplate;
  };
}

/** What Brigade adds to a project when it takes it. */
export interface KeptProject extends Project {
  readonly metadata: {
    readonly id: string;
    /** RFC 3339, in UTC. */
    readonly created: string;
  };
  readonly kubernetes: { readonly namespace: string };
}

export const checkProject = schemaCheck<Project>(PROJECT_SCHEMA);

/** A project as Brigade writes it: its fields in order, without what is empty. */
export function projectDocument({ metadata, description, spec, ...rest }: Project | KeptProject): object {
  const subscriptions = (spec.eventSubscriptions ?? []).map(({ source, types, qualifiers, labels }) => ({
    source,
    types,
    qualifiers: goMap(qualifiers),
    labels: goMap(labels),
  }));
  return {
    kind: 'Project',
    apiVersion: API_VERSION,
    metadata,
    description: description || undefined,
    spec: {
      eventSubscriptions: subscriptions.length > 0 ? subscriptions : undefined,
      workerTemplate: writtenTemplate(spec.workerTemplate),
    },
    kubernetes: 'kubernetes' in rest ? rest.kubernetes : undefined,
  };
}
