import type { Subscription } from '../brigade/brigade-event.ts';
import { schemaCheck } from './schemas/check.ts';
import { PROJECT_SCHEMA } from './schemas/project-schema.ts';
import type { WorkerTemplate } from './worker-spec.ts';

export interface Project {
  readonly metadata: { readonly id: string };
  readonly description?: string;
  readonly spec: {
    readonly eventSubscriptions?: readonly Subscription[] | null;
    readonly workerTemplate: WorkerTemplate;
  };
}

export const checkProject = schemaCheck<Project>(PROJECT_SCHEMA);
