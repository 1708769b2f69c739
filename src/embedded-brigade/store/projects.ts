import { hash, randomUUID } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { goTime } from '../go-json.ts';
import type { KeptProject, Project } from '../project.ts';
import type { Principal } from './accounts.ts';

const NS_PER_MS = 1_000_000n;

/**
 * All projects, in one list: those that came by the API, in SQLite and by id in memory, and those of files, which somebody
 * else reads. Of two with one id that of a file counts: it is the one that its owner sees.
 */
export class ProjectStore {
  readonly #database: DatabaseSync;
  readonly #files: () => readonly Project[];
  /** Files tell no time that a project was made at, and `brig` wants one: when they were first read, give or take. */
  readonly #started: string;
  readonly #kept = new Map<string, KeptProject>();

  constructor(database: DatabaseSync, files: () => readonly Project[], now: bigint) {
    this.#database = database;
    this.#files = files;
    this.#started = goTime(milliseconds(now));
    for (const { document } of database.prepare('SELECT document FROM projects').all()) {
      const project: KeptProject = JSON.parse(String(document));
      this.#kept.set(project.metadata.id, project);
    }
  }

  /** In the order of their ids. */
  all(): readonly KeptProject[] {
    const files = this.#files();
    const fromFiles = new Set(files.map(({ metadata }) => metadata.id));
    const rest = [...this.#kept.values()].filter(({ metadata }) => !fromFiles.has(metadata.id));
    return [...rest, ...files.map((project) => this.#asKept(project))].toSorted((a, b) =>
      a.metadata.id < b.metadata.id ? -1 : 1,
    );
  }

  get(id: string): KeptProject | undefined {
    const file = this.#ofFile(id);
    return file ? this.#asKept(file) : this.#kept.get(id);
  }

  /** Whether it is a file that says what this project is, so that the API cannot. */
  isOfFile(id: string): boolean {
    return this.#ofFile(id) !== undefined;
  }

  /** Whether this principal may do with a project whatever can be done: root, and who made it by the API. */
  belongsTo(id: string, principal: Principal): boolean {
    if (principal.type === 'ROOT') return true;
    if (this.isOfFile(id)) return false;
    const row = this.#database.prepare('SELECT creator FROM projects WHERE id = ?').get(id);
    return row?.['creator'] === principal.id;
  }

  /** There must be none with this id yet. `created` in nanoseconds since the epoch, of which milliseconds are kept. */
  add({ metadata, ...project }: Project, creator: Principal, created: bigint): KeptProject {
    const added: KeptProject = {
      ...project,
      metadata: { id: metadata.id, created: goTime(created) },
      kubernetes: { namespace: `brigade-${randomUUID()}` },
    };
    const kept = { ...added, metadata: { ...added.metadata, created: goTime(milliseconds(created)) } };
    this.#database
      .prepare('INSERT INTO projects (id, created, creator, document) VALUES (?, ?, ?, ?)')
      .run(
        metadata.id,
        created / NS_PER_MS,
        creator.type === 'SERVICE_ACCOUNT' ? creator.id : null,
        JSON.stringify(kept),
      );
    this.#kept.set(metadata.id, kept);
    return added;
  }

  /** New description and spec for one that is there. */
  replace({ metadata, description, spec }: Project): void {
    const old = this.#kept.get(metadata.id);
    if (!old) return;
    const kept: KeptProject = {
      metadata: old.metadata,
      ...(description !== undefined && { description }),
      spec,
      kubernetes: old.kubernetes,
    };
    this.#database.prepare('UPDATE projects SET document = ? WHERE id = ?').run(JSON.stringify(kept), metadata.id);
    this.#kept.set(metadata.id, kept);
  }

  remove(id: string): void {
    this.#database.prepare('DELETE FROM projects WHERE id = ?').run(id);
    this.#kept.delete(id);
  }

  #ofFile(id: string): Project | undefined {
    return this.#files().find(({ metadata }) => metadata.id === id);
  }

  #asKept({ metadata, ...project }: Project): KeptProject {
    const { id } = metadata;
    return { ...project, metadata: { id, created: this.#started }, kubernetes: { namespace: namespaceOf(id) } };
  }
}

function milliseconds(ns: bigint): bigint {
  return (ns / NS_PER_MS) * NS_PER_MS;
}

/** `brigade-<uuid>` as Brigade makes them, and the same after every restart. There is nothing that it names. */
function namespaceOf(id: string): string {
  const [, ...groups] = /^(.{8})(.{4})(.{4})(.{4})(.{12})/.exec(hash('sha256', id)) ?? [];
  return `brigade-${groups.join('-')}`;
}
