import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { missing } from './programs.ts';

/** Why libraries for LD_PRELOAD cannot be compiled here; in continuous integration they must. */
export const NO_COMPILER = missing('gcc');

/** Compiles a C file to a library for LD_PRELOAD, once for each version of the file; returns the library's path. */
export function compilePreload(source: URL): string {
  const file = fileURLToPath(source);
  const folder = join(tmpdir(), `acr-gateway-preload-${process.getuid?.() ?? ''}`);
  const library = join(folder, `${createHash('sha256').update(readFileSync(file)).digest('hex')}.so`);
  if (existsSync(library)) return library;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const half = `${library}.${process.pid}`;
  const flags = ['-shared', '-fPIC', '-O2', '-Wall', '-Wextra', '-Werror', '-pthread'];
  execFileSync('gcc', [...flags, '-o', half, file, '-ldl'], { stdio: ['ignore', 'ignore', 'inherit'] });
  // Tests of other processes may compile it at the same time.
  renameSync(half, library);
  return library;
}
