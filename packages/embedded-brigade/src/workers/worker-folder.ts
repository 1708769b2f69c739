import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { StoredEvent } from '../event.ts';
import { parseGoDuration } from '../go.ts';
import { BRIGADIER } from './worker-process.ts';

export type PreparedWorker =
  | {
      readonly kind: 'runnable';
      readonly script: string;
      readonly timeoutMs: number;
      /** What differs from a cluster, for the log. */
      readonly notes: readonly string[];
    }
  | { readonly kind: 'not-runnable'; readonly reason: string };

/** Brigade's own default is a day, too long for a person at a terminal. */
const DEFAULT_TIMEOUT_MS = 15 * 60 * 1000;
/** Brigade's own limit. */
const MAX_TIMEOUT_MS = 24 * 60 * 60 * 1000;

/** Creates the folder of an event's worker: the event, in `config` the files of its project, and a link to brigadier. */
export async function prepareWorker(folder: string, event: StoredEvent): Promise<PreparedWorker> {
  const { spec } = event.worker;
  const files = spec.defaultConfigFiles ?? {};
  const reason = whyNotRunnable(event);
  if (reason !== undefined) return { kind: 'not-runnable', reason };
  const [config, modules] = [join(folder, 'config'), join(folder, 'node_modules/@brigadecore')];
  await mkdir(config, { recursive: true, mode: 0o700 });
  await mkdir(modules, { recursive: true });
  await symlink(BRIGADIER, join(modules, 'brigadier'));
  await writeFile(join(folder, 'event.json'), JSON.stringify(workerEvent(event)));
  // Without it Node reads a package.json further up, which may turn every script into an ES module.
  await writeFile(join(folder, 'package.json'), '{}');
  for (const [name, content] of Object.entries(files)) await writeFile(join(config, name), content);
  const timeoutMs = spec.timeoutDuration === undefined ? DEFAULT_TIMEOUT_MS : parseGoDuration(spec.timeoutDuration);
  return {
    kind: 'runnable',
    // A brigade.ts comes first, as in a cluster, where compiling it overwrites a brigade.js.
    script: join(config, scriptOf(event) ?? ''),
    timeoutMs: Math.min(timeoutMs ?? DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS),
    notes: [...(timeoutMs === undefined ? [UNREADABLE_TIMEOUT] : []), ...notesOn(event)],
  };
}

const UNREADABLE_TIMEOUT = 'The timeoutDuration cannot be read: the worker may run for 15 minutes.';

function scriptOf({ worker }: StoredEvent): string | undefined {
  const files = worker.spec.defaultConfigFiles ?? {};
  return ['brigade.ts', 'brigade.js'].find((name) => Object.hasOwn(files, name));
}

function whyNotRunnable(event: StoredEvent): string | undefined {
  const { git, defaultConfigFiles = {} } = event.worker.spec;
  if (git?.cloneURL) return `Not run: the project is in ${git.cloneURL}, and repositories are not cloned here.`;
  const illegal = Object.keys(defaultConfigFiles).find(
    (name) => name !== basename(name) || ['', '.', '..'].includes(name) || name.includes('\0'),
  );
  if (illegal !== undefined) return `Not run: ${JSON.stringify(illegal)} in defaultConfigFiles is not a file name.`;
  if (scriptOf(event) === undefined) return 'Not run: found nothing to run, neither a brigade.js nor a brigade.ts.';
  return undefined;
}

/** What a cluster does for the project and this machine does not. */
function notesOn({ worker: { spec } }: StoredEvent): readonly string[] {
  const image = spec.container && 'image' in spec.container ? spec.container.image : undefined;
  const { 'package.json': packageJson, 'brigade.json': brigadeJson } = spec.defaultConfigFiles ?? {};
  return [
    ...(image ? [`Node runs the script here, not the image ${image}.`] : []),
    ...(packageJson === undefined && brigadeJson === undefined
      ? []
      : ['Dependencies are not installed and scripts of package.json are not run here; brigadier is there.']),
  ];
}

/** As `/var/event/event.json` in a cluster, without access to the API and without secrets. */
function workerEvent(event: StoredEvent): object {
  const { metadata, projectID, source, type, qualifiers, labels, shortTitle, longTitle, payload, worker } = event;
  const { logLevel, configFilesDirectory, defaultConfigFiles } = worker.spec;
  return {
    id: metadata.id,
    project: { id: projectID, kubernetes: { namespace: '' }, secrets: {} },
    source,
    type,
    qualifiers: qualifiers ?? {},
    labels: labels ?? {},
    shortTitle: shortTitle ?? '',
    longTitle: longTitle ?? '',
    payload: payload ?? '',
    worker: { apiAddress: '', apiToken: '', logLevel, configFilesDirectory, defaultConfigFiles, git: null },
  };
}
