import { API_VERSION, type Subscription } from 'brigade-api/event';
import { goMap } from './go.ts';
import { type Check, schemaCheck } from './schema-check.ts';
import { PROJECT_SCHEMA } from './schemas.ts';

type Texts = Readonly<Record<string, string>>;

export interface Project {
  readonly metadata: { readonly id: string };
  readonly description?: string;
  readonly spec: {
    readonly eventSubscriptions?: readonly Subscription[] | null;
    readonly workerTemplate: WorkerTemplate;
  };
}

/** A project with what Brigade adds when it stores it. */
export interface StoredProject extends Project {
  readonly metadata: {
    readonly id: string;
    /** RFC 3339, in UTC. */
    readonly created: string;
  };
  readonly kubernetes: { readonly namespace: string };
}

export interface GitDetails {
  readonly cloneURL?: string;
  readonly commit?: string;
  readonly ref?: string;
}

interface ImagePullSecrets {
  readonly imagePullSecrets?: readonly string[] | null;
}

/** How to run the workers of a project. A field that is absent or empty has a default. */
export interface WorkerTemplate {
  readonly container?: {
    readonly image?: string;
    readonly imagePullPolicy?: string;
    readonly command?: readonly string[];
    readonly arguments?: readonly string[];
    readonly environment?: Texts | null;
  };
  readonly useWorkspace?: boolean;
  readonly workspaceSize?: string;
  readonly git?: GitDetails & { readonly initSubmodules?: boolean };
  readonly kubernetes?: ImagePullSecrets;
  readonly jobPolicies?: {
    readonly allowPrivileged?: boolean;
    readonly allowDockerSocketMount?: boolean;
    readonly kubernetes?: ImagePullSecrets;
  };
  readonly logLevel?: string;
  readonly configFilesDirectory?: string;
  /** Content by file name, of files that the worker finds unless its repository has them. */
  readonly defaultConfigFiles?: Texts | null;
  readonly timeoutDuration?: string;
}

interface ContainerSpec {
  readonly image: string | undefined;
  readonly imagePullPolicy: string | undefined;
  readonly command: readonly string[] | undefined;
  readonly arguments: readonly string[] | undefined;
  readonly environment: Texts | undefined;
}

/** How to run the worker of one event. */
export interface WorkerSpec {
  readonly container?: ContainerSpec | undefined;
  readonly useWorkspace: boolean;
  readonly workspaceSize: string;
  readonly git?: (GitDetails & { readonly initSubmodules: boolean }) | undefined;
  readonly kubernetes?: object | undefined;
  readonly jobPolicies?: object | undefined;
  readonly logLevel: string;
  readonly configFilesDirectory: string;
  readonly defaultConfigFiles?: Texts | undefined;
  readonly timeoutDuration?: string | undefined;
}

/** A template in a project: only the fields that were given. */
type WrittenTemplate = Pick<WorkerSpec, 'useWorkspace'> & {
  readonly [Field in keyof WorkerSpec]?: WorkerSpec[Field] | undefined;
};

export const checkProject: Check<Project> = schemaCheck(PROJECT_SCHEMA);

/** A project as Brigade writes it: its fields in order, without empty ones. */
export function projectDocument({ metadata, description, spec, ...rest }: Project | StoredProject): object {
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

/** A template as Brigade writes it: its fields in order, without empty ones. */
function writtenTemplate(template: WorkerTemplate): WrittenTemplate {
  const { git, kubernetes, jobPolicies } = template;
  return {
    container: containerSpec(template.container),
    useWorkspace: template.useWorkspace ?? false,
    workspaceSize: template.workspaceSize || undefined,
    git: git && { ...gitDetails(git), initSubmodules: git.initSubmodules ?? false },
    kubernetes: pullSecrets(kubernetes),
    jobPolicies: jobPolicies && {
      allowPrivileged: jobPolicies.allowPrivileged ?? false,
      allowDockerSocketMount: jobPolicies.allowDockerSocketMount ?? false,
      kubernetes: pullSecrets(jobPolicies.kubernetes),
    },
    logLevel: template.logLevel || undefined,
    configFilesDirectory: template.configFilesDirectory || undefined,
    defaultConfigFiles: goMap(template.defaultConfigFiles),
    timeoutDuration: template.timeoutDuration || undefined,
  };
}

/** The template with Brigade's defaults. The git details of the event override those of the project. */
export function workerSpec(template: WorkerTemplate, git: GitDetails | undefined): WorkerSpec {
  const written = writtenTemplate(template);
  return {
    ...written,
    workspaceSize: written.workspaceSize ?? '10Gi',
    git: git
      ? { ...gitDetails({ ...template.git, ...gitDetails(git) }), initSubmodules: written.git?.initSubmodules ?? false }
      : written.git,
    logLevel: written.logLevel ?? 'INFO',
    configFilesDirectory: written.configFilesDirectory ?? '.brigade',
  };
}

export function gitDetails({ cloneURL, commit, ref }: GitDetails): GitDetails {
  return { ...(cloneURL && { cloneURL }), ...(commit && { commit }), ...(ref && { ref }) };
}

function containerSpec(template: WorkerTemplate['container']): ContainerSpec | undefined {
  return (
    template && {
      image: template.image || undefined,
      imagePullPolicy: template.imagePullPolicy || undefined,
      command: goList(template.command),
      arguments: goList(template.arguments),
      environment: goMap(template.environment),
    }
  );
}

function pullSecrets(given: ImagePullSecrets | undefined): object | undefined {
  return given && { imagePullSecrets: goList(given.imagePullSecrets) };
}

function goList(list: readonly string[] | null | undefined): readonly string[] | undefined {
  return list && list.length > 0 ? list : undefined;
}
