import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { logIn } from './api-client.ts';

const BIN = fileURLToPath(new URL('../bin.js', import.meta.url));

function start(...args: readonly string[]) {
  return spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: {} });
}

test('the command prints its address, and ends with 0 after SIGTERM', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'embedded-brigade-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'password'), 'correct horse\n');
  const child = start('--data', join(folder, 'data'), '--root-password-path', join(folder, 'password'), '--port', '0');
  const exited = once(child, 'exit');
  const [printed] = await once(child.stdout, 'data');
  const [, address = ''] = /^The embedded Brigade listens on (http:\S+)\n$/.exec(String(printed)) ?? [];
  const root = await logIn(address, 'correct horse');
  assert.equal((await root.get('/v2/whoami')).json.id, 'root');
  child.kill('SIGTERM');
  assert.deepEqual(await exited, [0, null]);
});

test('the command without its flags ends with 64, and names the missing one', async () => {
  const child = start();
  const [errors, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  assert.match(errors, /^error: required option '--data <folder>' not specified/);
  assert.equal(code, 64);
});
