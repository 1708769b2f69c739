import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Why tests that need a program are skipped here; in continuous integration none is. */
export function missing(program: string): string | false {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const isMissing = process.env['CI'] !== 'true' && !folders.some((folder) => existsSync(join(folder, program)));
  return isMissing && `needs ${program}`;
}
