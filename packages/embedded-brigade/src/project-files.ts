import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Document, isCollection, isMap, isPair, isScalar, LineCounter, parseDocument, type YAMLError } from 'yaml';
import { checkProject, type Project } from './project.ts';
import { detail, type Violation } from './schema-check.ts';

/** A problem of a file, or of a part of it. */
export interface ProjectIssue {
  readonly file: string;
  /** From 1; absent if the problem is the whole file. */
  readonly line?: number;
  readonly reason: string;
}

export interface LoadedProjects {
  readonly projects: readonly Project[];
  /** Why a file gives no project. */
  readonly issues: readonly ProjectIssue[];
  /** What `examine` found in legal projects. */
  readonly warnings: readonly ProjectIssue[];
  /** The project of each file. */
  readonly files: ReadonlyMap<string, Project>;
}

/** Finds what is legal in a project and probably a mistake. */
export type Examine = (project: Project) => readonly Violation[];

export interface ProjectFolder {
  readonly folder: string;
  readonly examine?: Examine | undefined;
}

export interface WatchOptions extends ProjectFolder {
  /** Called with the projects after each change. Neither this nor `onFault` may throw. */
  readonly onChange: (loaded: LoadedProjects) => void;
  readonly onFault: (error: unknown) => void;
  readonly pollMs?: number;
}

/** Bytes. Kubernetes stores no event, which contains the files of its project, above 1 MiB. */
const MAX_FILE_BYTES = 1024 * 1024;

/** How often the folder is read, milliseconds. */
const POLL_MS = 1000;

/**
 * The projects of a folder, which follow its files.
 *
 * It promises:
 * - a file that becomes invalid or unreadable keeps its last valid project; a file that is deleted does not;
 * - a rewrite, a rename over a file and the swap of a symbolic link are all noticed;
 * - a change counts once two reads in a row find it, so that a half-written file is not reported;
 * - it does not keep the process alive.
 */
export class WatchedProjects {
  readonly #options: WatchOptions;
  #loaded: LoadedProjects;
  /** The fingerprint that the last look found. */
  #seen: string;
  /** The fingerprint of `#loaded`. */
  #read: string;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(options: WatchOptions, loaded: LoadedProjects, fingerprint: string) {
    this.#options = options;
    this.#loaded = loaded;
    this.#seen = fingerprint;
    this.#read = fingerprint;
    this.#arm();
  }

  /** Does not call `onChange` for the projects that are there now. */
  static async open(options: WatchOptions): Promise<WatchedProjects> {
    const fingerprint = await fingerprintOf(options.folder);
    return new WatchedProjects(options, await loadProjects(options), fingerprint);
  }

  get folder(): string {
    return this.#options.folder;
  }

  current(): LoadedProjects {
    return this.#loaded;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #arm(): void {
    const look = () => {
      this.#look().catch(this.#options.onFault);
    };
    this.#timer = setTimeout(look, this.#options.pollMs ?? POLL_MS).unref();
  }

  async #look(): Promise<void> {
    try {
      const fingerprint = await fingerprintOf(this.#options.folder);
      const isStable = fingerprint === this.#seen;
      this.#seen = fingerprint;
      if (isStable && fingerprint !== this.#read) await this.#load(fingerprint);
    } finally {
      if (!this.#closed) this.#arm();
    }
  }

  async #load(fingerprint: string): Promise<void> {
    const loaded = await loadProjects(this.#options, this.#loaded);
    if (this.#closed) return;
    this.#read = fingerprint;
    this.#loaded = loaded;
    this.#options.onChange(loaded);
  }
}

/**
 * The projects in the `*.yaml` and `*.yml` of a folder, one in each file, in the order of the file names. A file with an
 * issue gives the project that it gave `before`, if any. It does not affect other files. If two files have the same id, the
 * first counts.
 */
export async function loadProjects(
  { folder, examine }: ProjectFolder,
  before?: LoadedProjects,
): Promise<LoadedProjects> {
  const names = await projectFiles(folder).catch(reasonOf);
  if (typeof names === 'string') {
    const none = { projects: [], warnings: [], files: new Map() };
    return { ...(before ?? none), issues: [{ file: folder, reason: names }] };
  }
  const ids = new Set<string>();
  const files = new Map<string, Project>();
  const issues: ProjectIssue[] = [];
  const warnings: ProjectIssue[] = [];
  for (const file of names) {
    const loaded = await loadProject(file, examine);
    issues.push(...loaded.issues);
    warnings.push(...loaded.warnings);
    const project = loaded.project ?? before?.files.get(file);
    if (!project) continue;
    const { id } = project.metadata;
    if (ids.has(id)) issues.push({ file, reason: `Project "${id}" already exists.` });
    else files.set(file, project);
    ids.add(id);
  }
  return { projects: [...files.values()], issues, warnings, files };
}

async function projectFiles(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder);
  return names
    .filter((name) => /\.ya?ml$/.test(name))
    .sort()
    .map((name) => join(folder, name));
}

interface LoadedProject {
  readonly project?: Project;
  readonly issues: readonly ProjectIssue[];
  readonly warnings: readonly ProjectIssue[];
}

async function loadProject(file: string, examine: Examine = () => []): Promise<LoadedProject> {
  try {
    const { size } = await stat(file);
    if (size > MAX_FILE_BYTES) return invalid([{ file, reason: `Larger than ${MAX_FILE_BYTES} bytes` }]);
    return parseProject(file, await readFile(file, 'utf8'), examine);
  } catch (error) {
    return invalid([{ file, reason: reasonOf(error) }]);
  }
}

function parseProject(file: string, text: string, examine: Examine): LoadedProject {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    return invalid(
      document.errors.map((error) => ({ file, line: lines.linePos(error.pos[0]).line, reason: explain(error) })),
    );
  }
  const asIssue = (violation: Violation): ProjectIssue => {
    const offset = offsetOf(document, violation);
    return { file, ...(offset !== undefined && { line: lines.linePos(offset).line }), reason: detail(violation) };
  };
  // Throws for an alias without an anchor, and for aliases that multiply without bounds.
  const checked = checkProject(document.toJS());
  if (checked.kind === 'invalid') return invalid(checked.violations.map(asIssue));
  return { project: checked.value, issues: [], warnings: examine(checked.value).map(asIssue) };
}

function invalid(issues: readonly ProjectIssue[]): LoadedProject {
  return { issues, warnings: [] };
}

function explain({ code, message }: YAMLError): string {
  return code === 'BAD_ALIAS' ? `${message}: a * has to stand in quotes` : message;
}

/** Where the deepest key or item on the path of a violation begins. */
function offsetOf(document: Document, { path, property }: Violation): number | undefined {
  let node: unknown = document.contents;
  let offset: number | undefined;
  for (const key of property === undefined ? path : [...path, property]) {
    if (!isCollection(node)) break;
    const item: unknown = isMap(node)
      ? node.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === key)
      : node.items[Number(key)];
    const from = isPair(item) ? item.key : item;
    if (isScalar(from) || isCollection(from)) offset = from.range?.[0] ?? offset;
    node = isPair(item) ? item.value : item;
  }
  return offset;
}

/** Names, sizes and times to the nanosecond: cheaper than reading every file each second. */
async function fingerprintOf(folder: string): Promise<string> {
  try {
    const files = await projectFiles(folder);
    const fingerprints: string[] = [];
    // One after the other: at once they would wake all threads of Node's pool, each second.
    for (const file of files) fingerprints.push(await fingerprintOfFile(file));
    return fingerprints.join('\n');
  } catch (error) {
    return String(error);
  }
}

async function fingerprintOfFile(file: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
    return [file, ino, size, mtimeNs, ctimeNs].join();
  } catch (error) {
    return `${file},${error}`;
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
