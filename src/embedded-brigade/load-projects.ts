import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Document, isCollection, isMap, isPair, isScalar, LineCounter, parseDocument, type YAMLError } from 'yaml';
import { SOURCE } from '../brigade/event-mapping.ts';
import { checkProject, type Project } from './project.ts';
import { detail, type Violation } from './schemas/check.ts';

/** What is wrong with a file, or a part of it. */
export interface ProjectIssue {
  readonly file: string;
  /** From 1; absent where the whole file is at fault. */
  readonly line?: number;
  readonly reason: string;
}

export interface LoadedProjects {
  readonly projects: readonly Project[];
  /** Why a file gives no project. */
  readonly issues: readonly ProjectIssue[];
  /** Of projects that are legal, and hardly meant so. */
  readonly warnings: readonly ProjectIssue[];
  /** The file of each project. */
  readonly files: ReadonlyMap<string, Project>;
}

/** In bytes. Kubernetes keeps no event, with its project's files inside, above 1 MiB. */
const MAX_FILE_BYTES = 1024 * 1024;

/**
 * The projects in the `*.yaml` and `*.yml` of a folder, one in each, in the order of the file names. A file with an issue
 * gives no project, or the one that it gave `before`, and does not stop the others; of two with one id the first counts.
 */
export async function loadProjects(folder: string, before?: LoadedProjects): Promise<LoadedProjects> {
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
    const loaded = await loadProject(file);
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

/** The paths of the files in a folder that may each be a project, by name. */
export async function projectFiles(folder: string): Promise<readonly string[]> {
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

async function loadProject(file: string): Promise<LoadedProject> {
  try {
    const { size } = await stat(file);
    if (size > MAX_FILE_BYTES) return unfit([{ file, reason: `Larger than ${MAX_FILE_BYTES} bytes` }]);
    return parseProject(file, await readFile(file, 'utf8'));
  } catch (error) {
    return unfit([{ file, reason: reasonOf(error) }]);
  }
}

function parseProject(file: string, text: string): LoadedProject {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    return unfit(
      document.errors.map((error) => ({ file, line: lines.linePos(error.pos[0]).line, reason: explain(error) })),
    );
  }
  const told = (violation: Violation): ProjectIssue => {
    const offset = offsetOf(document, violation);
    return { file, ...(offset !== undefined && { line: lines.linePos(offset).line }), reason: detail(violation) };
  };
  // Throws for an alias without an anchor and for one that multiplies without bounds.
  const checked = checkProject(document.toJS());
  if (checked.kind === 'invalid') return unfit(checked.violations.map(told));
  return { project: checked.value, issues: [], warnings: deafSubscriptions(checked.value).map(told) };
}

function unfit(issues: readonly ProjectIssue[]): LoadedProject {
  return { issues, warnings: [] };
}

/** Subscriptions to ACR that no event of ours can match: Brigade wants the same qualifiers on both sides. */
function deafSubscriptions({ spec }: Project): readonly Violation[] {
  return (spec.eventSubscriptions ?? []).flatMap(({ source, qualifiers }, index) => {
    const isHeard = source !== SOURCE || Object.keys(qualifiers ?? {}).join() === 'registry';
    const description = 'never matches an event of ACR, which has exactly the qualifier registry';
    return isHeard ? [] : [{ path: ['spec', 'eventSubscriptions', String(index), 'qualifiers'], description }];
  });
}

function explain({ code, message }: YAMLError): string {
  return code === 'BAD_ALIAS' ? `${message}: a * has to stand in quotes` : message;
}

/** Where the deepest key or item on the way to a violation begins. */
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

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
