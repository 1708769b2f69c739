import { goMap } from './go-json.ts';

type Texts = Readonly<Record<string, string>>;

export interface GitDetails {
  readonly cloneURL?: string;
  readonly commit?: string;
  readonly ref?: string;
}

/** How the workers of a project are to run. Whatever is absent or empty has a default. */
export interface WorkerTemplate {
  readonly container?: {
    readonly image?: string;
    readonly imagePullPolicy?: string;
    readonly command?: readonly string[] | null;
    readonly arguments?: readonly string[] | null;
    readonly environment?: Texts | null;
  };
  readonly useWorkspace?: boolean;
  readonly workspaceSize?: string;
  readonly git?: GitDetails & { readonly initSubmodules?: boolean };
  readonly kubernetes?: { readonly imagePullSecrets?: readonly string[] | null };
  readonly jobPolicies?: { readonly allowPrivileged?: boolean; readonly allowDockerSocketMount?: boolean };
  readonly logLevel?: string;
  readonly configFilesDirectory?: string;
  /** File name to content, of files that the worker finds where its repository has none. */
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

/** How the worker of one event is to run. */
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

/** As a project has it: only what was given. */
type WrittenTemplate = Pick<WorkerSpec, 'useWorkspace'> & {
  readonly [Field in keyof WorkerSpec]?: WorkerSpec[Field] | undefined;
};

/** A template as Brigade writes it: its fields in order, without what is empty. */
export function writtenTemplate(template: WorkerTemplate): WrittenTemplate {
  const { git, kubernetes, jobPolicies } = template;
  return {
    container: container(template.container),
    useWorkspace: template.useWorkspace ?? false,
    workspaceSize: template.workspaceSize || undefined,
    git: git && { ...gitDetails(git), initSubmodules: git.initSubmodules ?? false },
    kubernetes: kubernetes && { imagePullSecrets: goList(kubernetes.imagePullSecrets) },
    jobPolicies: jobPolicies && { allowPrivileged: false, allowDockerSocketMount: false, ...jobPolicies },
    logLevel: template.logLevel || undefined,
    configFilesDirectory: template.configFilesDirectory || undefined,
    defaultConfigFiles: goMap(template.defaultConfigFiles),
    timeoutDuration: template.timeoutDuration || undefined,
  };
}

/** The template with Brigade's defaults; what the event says of git goes before what the project says. */
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

function container(template: WorkerTemplate['container']): ContainerSpec | undefined {
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

export function gitDetails({ cloneURL, commit, ref }: GitDetails): GitDetails {
  return { ...(cloneURL && { cloneURL }), ...(commit && { commit }), ...(ref && { ref }) };
}

function goList(list: readonly string[] | null | undefined): readonly string[] | undefined {
  return list && list.length > 0 ? list : undefined;
}
