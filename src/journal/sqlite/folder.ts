import { closeSync, existsSync, fsyncSync, lstatSync, mkdirSync, openSync, realpathSync, statfsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { JournalFault } from '../journal-fault.ts';

const ADVICE = 'Give the user of this process the right to write its folder, or set JOURNAL_URL to another place.';

/**
 * Creates the journal's folder, and the file that carries its lock. Returns the path of the journal without symbolic links:
 * log and lock lie beside the file itself. Throws a `JournalFault`.
 */
export function prepareFolder(path: string, allowNetworkFileSystem: boolean): string {
  let network: string | undefined;
  let real: string;
  try {
    createFolder(dirname(resolve(path)));
    real = realPath(path);
    closeSync(openSync(`${real}.owner`, 'a', 0o600));
    network = networkFileSystem(real);
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new JournalFault('journal_unusable', `the journal ${path} cannot be created: ${detail}. ${ADVICE}`, {
      cause,
    });
  }
  if (network === undefined || allowNetworkFileSystem) return real;
  throw new JournalFault(
    'journal_unusable',
    `the journal ${path} is on ${network}, whose locks and syncs SQLite cannot rely on: use a local disk or a block ` +
      'volume, or set JOURNAL_ALLOW_NETWORK_FS=true if you know better',
  );
}

/** Only the owner gets rights. */
function createFolder(folder: string): void {
  const first = makeFolders(folder);
  if (first !== undefined) syncParents(folder, dirname(first));
}

/** Without symbolic links. The file need not exist, unless a link names it. */
export function realPath(path: string): string {
  const file = join(realpathSync(dirname(resolve(path))), basename(path));
  return lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() ? realpathSync(file) : file;
}

/**
 * Creates a folder and those above it. Returns the topmost that is new. Node's own recursive mkdir never ends below /proc,
 * where the kernel reports every folder above as missing.
 */
function makeFolders(folder: string): string | undefined {
  if (existsSync(folder)) return undefined;
  const above = makeFolders(dirname(folder));
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    // Another process may have created it meanwhile.
    if (!existsSync(folder)) throw error;
  }
  return above ?? folder;
}

/** Puts the names of new folders on stable storage: a synced file can vanish together with a folder that is not. */
function syncParents(from: string, to: string): void {
  for (let folder = from; folder !== to; folder = dirname(folder)) sync(dirname(folder));
}

/** Puts a file's content, or the names in a folder, on stable storage. */
export function sync(name: string): void {
  const fd = openSync(name, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** `f_type` of statfs(2) for file systems whose locks and syncs SQLite cannot rely on. */
const NETWORK_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x01021997, '9P'],
]);

/** The name of the network file system on which the path's folder lies, if it is one. */
function networkFileSystem(path: string): string | undefined {
  // The kernel's value is signed on some architectures: CIFS and SMB2 come out negative.
  return NETWORK_FILE_SYSTEMS.get(statfsSync(dirname(path)).type >>> 0);
}
