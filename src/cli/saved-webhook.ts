import { parseFiles } from '../config/file-content.ts';
import { Fault } from '../model/fault.ts';

/** A file that the command line names cannot be read. */
export class InputFault extends Fault {
  override readonly name = 'InputFault';
  readonly code = 'input_unreadable';
}

/** The body of a webhook, as it came. Rejects with an `InputFault`. */
export async function readSavedBody(path: string): Promise<Uint8Array> {
  const read = await parseFiles([path], (content: Uint8Array) => ({ kind: 'value', value: content }));
  if (read.kind === 'value') return read.value;
  const [issue] = read.issues;
  throw new InputFault(`expected ${issue?.expected}, got ${issue?.received}`);
}

/**
 * Headers as curl's `-H @FILE` has them: `Name: value`, a line each; other lines do not count. Names become lower-case.
 * Rejects with an `InputFault`.
 */
export async function readSavedHeaders(path: string | undefined): Promise<Readonly<Record<string, string>>> {
  if (path === undefined) return {};
  const text = Buffer.from(await readSavedBody(path)).toString('utf8');
  const lines = text.split(/\r?\n/).map((line) => /^([\w-]+):\s*(.*?)\s*$/.exec(line));
  return Object.fromEntries(lines.flatMap((found) => (found ? [[found[1]?.toLowerCase(), found[2] ?? '']] : [])));
}
