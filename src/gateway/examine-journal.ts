import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Settings } from '../config/settings.ts';
import { realPath } from '../journal/sqlite/folder.ts';
import { classify } from '../journal/sqlite/protocol.ts';
import { inspect } from '../journal/sqlite/writer/inspect.ts';

/** The state of a journal's files. */
export type JournalExamination =
  /** Its folder is created when the gateway starts. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'sound'; readonly freeBytes: number }
  /** A gateway uses it, and looked at it before. */
  | { readonly kind: 'in-use'; readonly freeBytes: number }
  /** The disk or the files cannot be read, or what was acknowledged may be missing. */
  | { readonly kind: 'broken'; readonly detail: string; readonly advice?: string };

async function freeBytesAt(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(dirname(path));
  return bavail * bsize;
}

/** Looks at a journal as opening it does, and changes nothing. Undefined for a journal in memory. */
export async function examineJournal({
  location,
}: Pick<Settings['journal'], 'location'>): Promise<JournalExamination | undefined> {
  if (location.kind !== 'sqlite') return undefined;
  const path = resolve(location.path);
  if (!existsSync(dirname(path))) return { kind: 'absent' };
  try {
    inspect(realPath(path));
    return { kind: 'sound', freeBytes: await freeBytesAt(path) };
  } catch (error) {
    const { kind, detail, advice } = classify(error);
    if (kind === 'locked') return { kind: 'in-use', freeBytes: await freeBytesAt(path) };
    return { kind: 'broken', detail, ...(advice === undefined ? {} : { advice }) };
  }
}
