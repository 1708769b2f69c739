import type { Entry } from './recording.ts';

/** The unit in which a disk writes: one sector has arrived whole or not at all, bytes. */
const SECTOR = 512;

/**
 * How the power goes:
 * - `kill`: it does not. The process was killed, and everything that it wrote is there;
 * - `synced`: only what was synced is there;
 * - `reordered`: beside it, any of what was not, in no order;
 * - `torn`: the same, but of a write any of its sectors.
 */
export const LOSSES = ['kill', 'synced', 'reordered', 'torn'] as const;
export type Loss = (typeof LOSSES)[number];

/** The files of a folder, by name. */
export type Image = ReadonlyMap<string, Buffer>;

/**
 * A change is `durable` after a sync. When the sync failed, it is `dropped`: the kernel takes its pages for written, so that no later
 * sync writes them. They may have arrived or not.
 */
interface Cached<Change> {
  readonly change: Change;
  state: 'pending' | 'durable' | 'dropped';
}

type ContentChange = Extract<Entry, { kind: 'write' | 'truncate' }>;

interface NameChange {
  /** The names that are set, to a file or to none, all or nothing. */
  readonly names: ReadonlyMap<string, DiskFile | undefined>;
}

interface DiskFile {
  /** What is durable and has nothing dropped before it. */
  base: Buffer;
  readonly changes: Cached<ContentChange>[];
}

/**
 * A folder on a disk: what the process sees of it, and what a loss of power could leave. It promises what POSIX does, and no
 * more: a file's content is durable when the file was synced, and its name when the folder was.
 */
export class Disk {
  readonly #isIgnored: (synced: string) => boolean;
  /** By inode number. */
  readonly #files = new Map<number, DiskFile>();
  readonly #names: Cached<NameChange>[] = [];
  /** What the process sees. */
  readonly #current = new Map<string, DiskFile>();

  /** A disk ignores the syncs of the files for which `isIgnored`; the folder's name is empty. */
  constructor(isIgnored: (synced: string) => boolean = () => false) {
    this.#isIgnored = isIgnored;
  }

  apply(entry: Entry): void {
    switch (entry.kind) {
      case 'create':
        this.#files.set(entry.inode, { base: Buffer.alloc(0), changes: [] });
        this.#setNames([entry.name, this.#file(entry.inode)]);
        break;
      case 'rename':
        this.#setNames([entry.name, undefined], [entry.to, this.#current.get(entry.name)]);
        break;
      case 'unlink':
        this.#setNames([entry.name, undefined]);
        break;
      case 'write':
      case 'truncate':
        this.#file(entry.inode).changes.push({ change: entry, state: 'pending' });
        break;
      case 'sync':
        if (!this.#isIgnored(entry.name)) this.#sync(entry, 'durable');
        break;
      case 'failed-sync':
        this.#sync(entry, 'dropped');
        break;
      case 'print':
    }
  }

  /** What could be there after a loss of power now. */
  image(loss: Loss, random: () => number): Image {
    const share = random();
    const arrives = ({ state }: Cached<unknown>): boolean =>
      state === 'durable' || loss === 'kill' || (loss !== 'synced' && random() < share);
    const names = new Map<string, DiskFile | undefined>();
    for (const { change } of this.#names.filter(arrives))
      for (const [name, file] of change.names) names.set(name, file);
    const image = new Map<string, Buffer>();
    for (const [name, file] of names) {
      if (file === undefined) continue;
      const changes = file.changes.filter(arrives).flatMap(({ change, state }) => {
        const isTorn = loss === 'torn' && state !== 'durable' && change.kind === 'write';
        return isTorn ? sectors(change).filter(() => random() < 0.5) : [change];
      });
      image.set(name, changed(file.base, changes));
    }
    return image;
  }

  #sync({ name, inode }: { readonly name: string; readonly inode: number }, state: 'durable' | 'dropped'): void {
    const file = name === '' ? undefined : this.#file(inode);
    for (const each of file?.changes ?? this.#names) if (each.state === 'pending') each.state = state;
    if (file !== undefined) fold(file);
  }

  #file(inode: number): DiskFile {
    const file = this.#files.get(inode);
    if (file === undefined) throw new Error(`the file ${inode} was there before the recording`);
    return file;
  }

  #setNames(...names: readonly (readonly [string, DiskFile | undefined])[]): void {
    this.#names.push({ change: { names: new Map(names) }, state: 'pending' });
    for (const [name, file] of names) {
      if (file === undefined) this.#current.delete(name);
      else this.#current.set(name, file);
    }
  }
}

/** Applies the changes that every image has. */
function fold(file: DiskFile): void {
  const first = file.changes.findIndex(({ state }) => state !== 'durable');
  const durable = file.changes.splice(0, first === -1 ? file.changes.length : first);
  file.base = changed(
    file.base,
    durable.map(({ change }) => change),
  );
}

function sectors(write: Extract<Entry, { kind: 'write' }>): readonly ContentChange[] {
  const { offset, data } = write;
  const parts: ContentChange[] = [];
  for (let start = 0; start < data.length; ) {
    const length = SECTOR - ((offset + start) % SECTOR);
    parts.push({ ...write, offset: offset + start, data: data.subarray(start, start + length) });
    start += length;
  }
  return parts;
}

/** What was never written between two writes is zero. */
function changed(base: Buffer, changes: readonly ContentChange[]): Buffer {
  let size = base.length;
  let most = size;
  for (const change of changes) {
    size = change.kind === 'truncate' ? change.size : Math.max(size, change.offset + change.data.length);
    most = Math.max(most, size);
  }
  const content = Buffer.alloc(most);
  base.copy(content);
  for (const change of changes) {
    if (change.kind === 'truncate') content.fill(0, change.size);
    else change.data.copy(content, change.offset);
  }
  return content.subarray(0, size);
}
