import { hash, randomUUID } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { goTime } from '../go.ts';
import type { Project, StoredProject } from '../project.ts';
import type { Principal } from './accounts.ts';

const NS_PER_MS = 1_000_000n;

/**
 * All projects in one list: those created by the API, in SQLite and cached in memory, and those of files, which are passed
 * in. If both have the same id, the file counts: it is what its owner sees.
 */
export class ProjectStore {
  readonly #database: DatabaseSync;
  readonly #files: () => readonly Project[];
  /** The creation time of projects of files, which have none, and `brig` needs one: when this server started. */
  readonly #started: string;
  readonly #stored = new Map<string, StoredProject>();

  constructor(database: DatabaseSync, files: () => readonly Project[], now: bigint) {
    this.#database = database;
    this.#files = files;
    this.#started = goTime(milliseconds(now));
    for (const { document } of database.prepare('SELECT document FROM projects').all()) {
      const project: StoredProject = JSON.parse(String(document));
      this.#stored.set(project.metadata.id, project);
    }
  }

  /** Ordered by id. */
  all(): readonly StoredProject[] {
    const files = this.#files();
    const fromFiles = new Set(files.map(({ metadata }) => metadata.id));
    const rest = [...this.#stored.values()].filter(({ metadata }) => !fromFiles.has(metadata.id));
    return [...rest, ...files.map((project) => this.#asStored(project))].toSorted((a, b) =>
      a.metadata.id < b.metadata.id ? -1 : 1,
    );
  }

  get(id: string): StoredProject | undefined {
    const file = this.#ofFile(id);
    return file ? this.#asStored(file) : this.#stored.get(id);
  }

  /** Whether the project comes from a file, so that the API cannot change it. */
  isOfFile(id: string): boolean {
    return this.#ofFile(id) !== undefined;
  }

  /** Whether the principal has every role in the project: root, and its creator. */
  belongsTo(id: string, principal: Principal): boolean {
    if (principal.type === 'ROOT') return true;
    if (this.isOfFile(id)) return false;
    const row = this.#database.prepare('SELECT creator FROM projects WHERE id = ?').get(id);
    return row?.['creator'] === principal.id;
  }

  /** The id must be free. `created` is in nanoseconds since the epoch; milliseconds of it are stored. */
  add({ metadata, ...project }: Project, creator: Principal, created: bigint): StoredProject {
    const added: StoredProject = {
      ...project,
      metadata: { id: metadata.id, created: goTime(created) },
      kubernetes: { namespace: `brigade-${randomUUID()}` },
    };
    const stored = { ...added, metadata: { ...added.metadata, created: goTime(milliseconds(created)) } };
    this.#database
      .prepare('INSERT INTO projects (id, created, creator, document) VALUES (?, ?, ?, ?)')
      .run(
        metadata.id,
        created / NS_PER_MS,
        creator.type === 'SERVICE_ACCOUNT' ? creator.id : null,
        JSON.stringify(stored),
      );
    this.#stored.set(metadata.id, stored);
    return added;
  }

  /** Replaces description and spec of an existing project. */
  replace({ metadata, description, spec }: Project): void {
    const old = this.#stored.get(metadata.id);
    if (!old) return;
    const stored: StoredProject = {
      metadata: old.metadata,
      ...(description !== undefined && { description }),
      spec,
      kubernetes: old.kubernetes,
    };
    this.#database.prepare('UPDATE projects SET document = ? WHERE id = ?').run(JSON.stringify(stored), metadata.id);
    this.#stored.set(metadata.id, stored);
  }

  remove(id: string): void {
    this.#database.prepare('DELETE FROM projects WHERE id = ?').run(id);
    this.#stored.delete(id);
  }

  #ofFile(id: string): Project | undefined {
    return this.#files().find(({ metadata }) => metadata.id === id);
  }

  #asStored({ metadata, ...project }: Project): StoredProject {
    const { id } = metadata;
    return { ...project, metadata: { id, created: this.#started }, kubernetes: { namespace: namespaceOf(id) } };
  }
}

function milliseconds(ns: bigint): bigint {
  return (ns / NS_PER_MS) * NS_PER_MS;
}

/** `brigade-<uuid>`, as Brigade has them, the same after every restart. No such namespace exists. */
function namespaceOf(id: string): string {
  const [, ...groups] = /^(.{8})(.{4})(.{4})(.{4})(.{12})/.exec(hash('sha256', id)) ?? [];
  return `brigade-${groups.join('-')}`;
}
