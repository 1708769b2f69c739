// Runs `serve` in the image that is being built, until it listens, so that Node fills its compile cache. The cache depends on
// the options of Node and on the user who fills it, and only this user can read its files. So the later user of the program fills it here, and the files
// are then made readable for all.
import { spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const USER = 65_532;
/** Fails the build if the program does not start in this time, even on an emulated processor. */
const PATIENCE_MS = 120_000;

const cache = process.env.NODE_COMPILE_CACHE;
const scratch = mkdtempSync(join(tmpdir(), 'warm-up-'));
for (const folder of [cache, scratch]) {
  mkdirSync(folder, { recursive: true });
  chownSync(folder, USER, USER);
}
writeFileSync(join(scratch, 'tokens.json'), '{"unused":"unused"}', { mode: 0o644 });

const child = spawn(process.execPath, [...process.execArgv, '/app/bin.js', 'serve'], {
  uid: USER,
  gid: USER,
  stdio: ['ignore', 'pipe', 'inherit'],
  env: {
    NODE_COMPILE_CACHE: cache,
    HOST: '127.0.0.1',
    PORT: '0',
    ADMIN_PORT: '0',
    API_ADDRESS: 'http://127.0.0.1:1',
    API_TOKEN: 'nothing',
    TOKENS_PATH: join(scratch, 'tokens.json'),
    JOURNAL_URL: `sqlite:${join(scratch, 'journal.db')}`,
    JOURNAL_RESERVE: '32MiB',
  },
});
setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS).unref();
createInterface({ input: child.stdout }).on('line', (line) => {
  if (line.includes('"gateway.started"')) child.kill('SIGTERM');
});
child.on('exit', (code, signal) => {
  const files = readdirSync(cache, { recursive: true, withFileTypes: true });
  for (const file of files) chmodSync(join(file.parentPath, file.name), file.isDirectory() ? 0o755 : 0o644);
  const count = files.filter((file) => file.isFile()).length;
  process.stdout.write(`serve ended with ${code ?? signal}; ${count} files in ${cache}\n`);
  process.exitCode = code === 0 && count > 0 ? 0 : 1;
});
