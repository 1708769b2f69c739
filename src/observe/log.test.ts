import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { createLog } from './log.ts';

const run = promisify(execFile);

/** The standard output of a process that runs the script. */
async function outputOf(script: string, level = 'trace', pretty = false): Promise<string> {
  const code = `import { createLog, flushLog } from ${JSON.stringify(new URL('log.ts', import.meta.url))};
    const log = createLog(${JSON.stringify({ level, pretty })});
    ${script}`;
  const { stdout } = await run(process.execPath, ['--input-type=module-typescript', '--eval', code]);
  return stdout;
}

async function linesOf(script: string, level?: string): Promise<readonly Record<string, unknown>[]> {
  const output = await outputOf(script, level);
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

const NAMES = ['token', 'authorization', 'password', 'secret', 'key', 'cookie'];

test('a line is a JSON object with the level as a word and the event’s name as msg', async () => {
  const [line, ...others] = await linesOf(`log.info({ seq: 1 }, 'webhook.received');`);
  assert.deepEqual(others, []);
  const time = String(line?.['time']);
  assert.equal(new Date(time).toISOString(), time);
  assert.deepEqual(line, { level: 'info', time, seq: 1, msg: 'webhook.received' });
});

test('a field with the name of a secret is redacted at every level', async () => {
  const secrets = JSON.stringify(Object.fromEntries(NAMES.map((name) => [name, 'S3CRET'])));
  const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];
  const lines = await linesOf(levels.map((level) => `log.${level}(${secrets}, 'x');`).join('\n'));
  assert.deepEqual(
    lines.map(({ level }) => level),
    levels,
  );
  for (const line of lines) for (const name of NAMES) assert.equal(line[name], '[redacted]');
});

test('lines below the level are not written', async () => {
  const lines = await linesOf(`log.info('a'); log.warn('b'); log.error('c');`, 'error');
  assert.deepEqual(
    lines.map(({ msg }) => msg),
    ['c'],
  );
});

test('`flushLog` writes every line before the process exits', async () => {
  const lines = await linesOf(`for (let i = 0; i < 1000; i++) log.info({ i }, 'x'); flushLog(log); process.exit(0);`);
  assert.equal(lines.length, 1000);
});

test('every line is written before the process exits, even without `flushLog`', async () => {
  assert.equal((await linesOf(`log.error('last words'); process.exit(1);`).catch(outputOfFailed)).length, 1);
});

/** The lines of a process that ended with another exit code than 0. */
function outputOfFailed(error: unknown): readonly Record<string, unknown>[] {
  const stdout = error instanceof Error && 'stdout' in error ? String(error.stdout) : '';
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

test('lines beyond the limit are dropped, and counted when standard output is read again', async () => {
  const code = `import { createLog } from ${JSON.stringify(new URL('log.ts', import.meta.url))};
    const log = createLog({ level: 'info', pretty: false });
    const text = 'x'.repeat(10_000);
    const tick = () => new Promise((resolve) => setImmediate(resolve));
    for (let i = 0; i < 3000; i++) { log.info({ text }, 'line.written'); await tick(); }
    process.stderr.write('written');
    process.stdin.resume();`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', code], { timeout: 30_000 });
  await once(child.stderr, 'data');

  let written = 0;
  let dropped = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const { msg, count } = JSON.parse(line);
    if (msg === 'line.written') written += 1;
    else {
      dropped += count;
      child.stdin.end();
    }
  }

  assert.ok(dropped > 0);
  assert.equal(written + dropped, 3000);
});

test('a process ends although its standard output is not read', async () => {
  const code = `import { createLog } from ${JSON.stringify(new URL('log.ts', import.meta.url))};
    const log = createLog({ level: 'info', pretty: false });
    const text = 'x'.repeat(10_000);
    for (let i = 0; i < 300; i++) { log.info({ text }, 'line.written'); await new Promise((resolve) => setImmediate(resolve)); }
    log.info('last words');
    process.exit(3);`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', code], { timeout: 30_000 });
  assert.deepEqual(await once(child, 'exit'), [3, null]);
  child.stdout.destroy();
});

test('a pretty line is a text that contains the event’s name', async () => {
  const output = await outputOf(`log.info({ seq: 1, token: 'S3CRET' }, 'webhook.received');`, 'info', true);
  assert.match(output, /^\d\d:\d\d:\d\d · webhook\.received seq=1/);
  assert.doesNotMatch(output, /S3CRET/);
});

for (const [what, pretty] of [
  ['a JSON line', false],
  ['a pretty line', true],
] as const) {
  test(`${what} has no character that a terminal obeys or hides`, async () => {
    // JSON escapes the first of them itself.
    const harmful = [
      '\u001b',
      '\n',
      '\u007f',
      '\u009b',
      '\u061c',
      '\u200b',
      '\u202e',
      '\u2066',
      '\u2028',
      '\ufeff',
      '\ud800',
    ];
    const text = JSON.stringify(harmful.join('x'));
    const script = `const text = ${text};
      log.info({ text, [text]: 1, list: [text], in: { text } }, text);
      log.error({ err: new Error(text) }, 'failed');`;
    const output = (await outputOf(script, 'trace', pretty)).replaceAll('\n', '');
    assert.ok(output.includes('\\u202ex'));
    assert.doesNotMatch(output, /[\p{C}\p{Zl}\p{Zp}]/u);
    if (!pretty) assert.ok(output.includes(`"msg":"\\u001bx\\nx\\u007fx`));
  });
}

test('an unknown level throws', () => {
  assert.throws(() => createLog({ level: 'loud', pretty: false }));
});
