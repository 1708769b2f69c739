import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Document, isCollection, isMap, isPair, isScalar, LineCounter, parseDocument, type YAMLError } from 'yaml';
import { checkProject, type Project } from './project.ts';
import { detail, type Violation } from './schemas/check.ts';

/** Why a file, or a part of it, is no project. */
interface ProjectIssue {
  readonly file: string;
  /** From 1; absent where the whole file is at fault. */
  readonly line?: number;
  readonly reason: string;
}

export interface LoadedProjects {
  readonly projects: readonly Project[];
  readonly issues: readonly ProjectIssue[];
}

/** In bytes. Kubernetes keeps no event, with its project's files inside, above 1 MiB. */
const MAX_FILE_BYTES = 1024 * 1024;

/**
 * The projects in the `*.yaml` and `*.yml` of a folder, one in each, in the order of the file names. A file with an issue
 * gives no project and does not stop the others; of two with one id the first counts.
 */
export async function loadProjects(folder: string): Promise<LoadedProjects> {
  const names = await readdir(folder).catch(reasonOf);
  if (typeof names === 'string') return { projects: [], issues: [{ file: folder, reason: names }] };

  const projects = new Map<string, Project>();
  const issues: ProjectIssue[] = [];
  for (const name of names.filter((name) => /\.ya?ml$/.test(name)).sort()) {
    const file = join(folder, name);
    const { project, issues: found } = await loadProject(file);
    issues.push(...found);
    if (!project) continue;
    const { id } = project.metadata;
    if (projects.has(id)) issues.push({ file, reason: `Project "${id}" already exists.` });
    else projects.set(id, project);
  }
  return { projects: [...projects.values()], issues };
}

interface LoadedProject {
  readonly project?: Project;
  readonly issues: readonly ProjectIssue[];
}

async function loadProject(file: string): Promise<LoadedProject> {
  try {
    const { size } = await stat(file);
    if (size > MAX_FILE_BYTES) return { issues: [{ file, reason: `Larger than ${MAX_FILE_BYTES} bytes` }] };
    return parseProject(file, await readFile(file, 'utf8'));
  } catch (error) {
    return { issues: [{ file, reason: reasonOf(error) }] };
  }
}

function parseProject(file: string, text: string): LoadedProject {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    return {
      issues: document.errors.map((error) => ({
        file,
        line: lines.linePos(error.pos[0]).line,
        reason: explain(error),
      })),
    };
  }
  // Throws for an alias without an anchor and for one that multiplies without bounds.
  const checked = checkProject(document.toJS());
  if (checked.kind === 'valid') return { project: checked.value, issues: [] };
  return {
    issues: checked.violations.map((violation) => {
      const offset = offsetOf(document, violation);
      return { file, ...(offset !== undefined && { line: lines.linePos(offset).line }), reason: detail(violation) };
    }),
  };
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
