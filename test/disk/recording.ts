import { readFileSync } from 'node:fs';

/** One thing that the recorded process did, in the order in which it was done. */
export type Entry =
  /** A file that was not there before. An inode number may have belonged to another file that is gone. */
  | { readonly kind: 'create'; readonly name: string; readonly inode: number }
  | { readonly kind: 'rename'; readonly name: string; readonly to: string }
  | { readonly kind: 'unlink'; readonly name: string }
  | { readonly kind: 'write'; readonly inode: number; readonly offset: number; readonly data: Buffer }
  | { readonly kind: 'truncate'; readonly inode: number; readonly size: number }
  /** The name is empty for the folder itself. */
  | { readonly kind: 'sync' | 'failed-sync'; readonly name: string; readonly inode: number }
  /** What was written to standard output. */
  | { readonly kind: 'print'; readonly data: Buffer };

/** An entry and the position in the log at which its record ends. */
export type Recorded = Entry & { readonly end: number };

/** The order is that of `enum kind` in recorder.c. */
const KINDS: readonly Entry['kind'][] = [
  'create',
  'rename',
  'unlink',
  'write',
  'truncate',
  'sync',
  'failed-sync',
  'print',
];

/** Bytes of `struct entry` in recorder.c. */
const ENTRY_BYTES = 32;

/** Reads what `recorder.c` has written. A record that the end of the process cut off is left out. */
export function readRecording(path: string): readonly Recorded[] {
  const log = readFileSync(path);
  const entries: Recorded[] = [];
  for (let start = 0; start + ENTRY_BYTES <= log.length; ) {
    const kind = KINDS[log.readUInt32LE(start)];
    const nameEnd = start + ENTRY_BYTES + log.readUInt32LE(start + 4);
    const [inode, offset, bytes] = [8, 16, 24].map((at) => Number(log.readBigUInt64LE(start + at)));
    if (kind === undefined || inode === undefined || offset === undefined || bytes === undefined) {
      throw new Error(`${path} holds no record at ${start}`);
    }
    const end = nameEnd + bytes;
    if (end > log.length) break;
    const name = log.toString('utf8', start + ENTRY_BYTES, nameEnd);
    const data = log.subarray(nameEnd, end);
    entries.push({ ...entry(kind, { name, inode, offset, data }), end });
    start = end;
  }
  return entries;
}

interface Fields {
  readonly name: string;
  readonly inode: number;
  readonly offset: number;
  readonly data: Buffer;
}

function entry(kind: Entry['kind'], { name, inode, offset, data }: Fields): Entry {
  switch (kind) {
    case 'create':
      return { kind, name, inode };
    case 'rename':
      return { kind, name, to: data.toString() };
    case 'unlink':
      return { kind, name };
    case 'write':
      return { kind, inode, offset, data };
    case 'truncate':
      return { kind, inode, size: offset };
    case 'sync':
    case 'failed-sync':
      return { kind, name, inode };
    case 'print':
      return { kind, data };
  }
}
