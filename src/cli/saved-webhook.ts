import { formatIssue } from '../config/schema.ts';
import { parseFiles } from '../config/watched-file.ts';
import { Fault } from '../model/fault.ts';

/** A file named on the command line cannot be read. */
export class InputFault extends Fault {
  override readonly name = 'InputFault';
  readonly code = 'input_unreadable';
}

/** The body of a webhook, byte for byte. Rejects with an `InputFault`. */
export async function readSavedBody(path: string): Promise<Uint8Array> {
  const read = await parseFiles([path], (content: Uint8Array) => ({ kind: 'value', value: content }));
  if (read.kind === 'value') return read.value;
  throw new InputFault(read.issues.map(formatIssue).join('; '));
}

/**
 * Headers in the format of curl's `-H @FILE`: one `Name: value` a line. Other lines are ignored. Names become lower-case.
 * Rejects with an `InputFault`.
 */
export async function readSavedHeaders(path: string | undefined): Promise<Readonly<Record<string, string>>> {
  if (path === undefined) return {};
  const text = Buffer.from(await readSavedBody(path)).toString('utf8');
  const lines = text.split(/\r?\n/).map((line) => /^([\w-]+):\s*(.*?)\s*$/.exec(line));
  return Object.fromEntries(lines.flatMap((found) => (found ? [[found[1]?.toLowerCase(), found[2] ?? '']] : [])));
}
