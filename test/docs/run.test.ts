import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { after, suite, type TestContext, test } from 'node:test';
import { read } from '../house/repository.ts';
import { ADMIN_TOKEN, API_TOKEN, WEBHOOK_TOKEN } from '../support/serve-process.ts';
import { StubBrigade } from '../support/stub-brigade.ts';
import { aPush, exchange } from '../support/webhooks.ts';
import { blocksIn, type Command, consoleBlocks } from './blocks.ts';
import { type Running, Terminal } from './terminal.ts';

const BLOCKS = consoleBlocks().filter(({ needs }) => needs === undefined);

/** The blocks that were run. */
const run = new Set<(typeof BLOCKS)[number]>();

/** The commands of the block of that page which begins with this text. */
function commandsOf(page: string, beginning: string): readonly Command[] {
  const found = BLOCKS.filter((block) => block.page === page && block.commands[0]?.text.startsWith(beginning));
  const [block, ...others] = found;
  assert.ok(block !== undefined && others.length === 0, `${page}: ${found.length} blocks begin with ${beginning}`);
  run.add(block);
  return block.commands;
}

function commandOf(page: string, beginning: string): Command {
  return commandsOf(page, beginning)[0] ?? assert.fail(beginning);
}

/** The output is what the documentation shows, apart from `…`. */
function assertPrinted(found: string, { printed, text }: Command): void {
  const pattern = printed.split('…').map((part) => RegExp.escape(part));
  assert.match(found, new RegExp(`^${pattern.join('.+')}$`), text);
}

/** System paths of a page are in the terminal's folder, so that nothing else of the machine changes. */
function inFolder(command: string, { folder }: Terminal): string {
  return command.replaceAll(/(?<=[=:" '])\/(?:secrets|var\/lib\/acr-gateway|backup)(?=\/)/g, `${folder}$&`);
}

const ANY_PORT = { PORT: '0', ADMIN_PORT: '0', BRIGADE_PORT: '0' };

/** `.ci/run` runs `npm ci` in a fresh clone. Here it would remove the node_modules of other tests. */
function withoutInstall(command: string): string {
  assert.match(read('.ci/run'), /^run npm ci$/m);
  return command.replace(/^npm ci && /, '');
}

async function tryItOut(t: TestContext, page: string, beginning: string): Promise<[Terminal, Running, string]> {
  const terminal = await Terminal.open(t);
  terminal.export(ANY_PORT);
  const started = terminal.start(withoutInstall(commandOf(page, beginning).text));
  const [, port = ''] = await started.line(/webhooks +http:\/\/127\.0\.0\.1:(\d+)\/events/);
  await started.line(/^ +curl /m);
  return [terminal, started, port];
}

/** Settings that pages leave at their defaults and tests cannot. */
const TEST_ENV = { HOST: '127.0.0.1', PORT: '0', ADMIN_PORT: '0', ADMIN_TOKEN, JOURNAL_RESERVE: '32MiB' };

/** A gateway, started by the README's command, whose Brigade creates every event. */
async function aServingTerminal(t: TestContext) {
  const brigade = await StubBrigade.start(t);
  const terminal = await Terminal.open(t);
  for (const name of ['secrets', 'var/lib/acr-gateway', 'backup'])
    await mkdir(join(terminal.folder, name), { recursive: true });
  const tokens = join(terminal.folder, 'secrets/tokens.json');
  await writeFile(join(terminal.folder, 'secrets/brigade-token'), API_TOKEN);
  await writeFile(tokens, JSON.stringify({ ci: WEBHOOK_TOKEN }));
  const command = inFolder(commandOf('README.md', 'API_ADDRESS').text, terminal);
  const [variables = '', program = ''] = command.replace('https://brigade.example.com', brigade.address).split(' npx ');
  const env = Object.fromEntries(variables.split(/ +/).map((pair) => pair.split(/=(.*)/).slice(0, 2)));
  terminal.export({ ...TEST_ENV, ...env });
  return { terminal, brigade, tokens, program: `npx ${program}` };
}

async function whileServing(started: Running): Promise<{ readonly ingestPort: number; readonly adminPort: number }> {
  const [, line = ''] = await started.line(/^(\{.*"gateway\.started".*\})$/m);
  return JSON.parse(line);
}

function isThere(tool: string): boolean {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return process.env['CI'] === 'true' || folders.some((folder) => existsSync(join(folder, tool)));
}

/** Starts the embedded Brigade on any port. */
async function startBrigade(
  t: TestContext,
  start: ReturnType<typeof commandOf>,
): Promise<readonly [terminal: Terminal, port: string]> {
  const terminal = await Terminal.open(t);
  await writeFile(join(terminal.folder, 'password'), 'a password\n');
  assert.match(start.text, /--port 8082 /);
  const started = terminal.start(start.text.replace('8082', '0'));
  const [line, port = ''] = await started.line(/^The embedded Brigade listens on http:\/\/127\.0\.0\.1:(\d+)$/m);
  assert.equal(line.replace(port, '8082'), start.printed);
  return [terminal, port];
}

suite('the documentation, typed as it stands', { concurrency: 3 }, () => {
  after(() => {
    const missed = BLOCKS.filter((block) => !run.has(block)).map(({ page, line }) => `${page}:${line}`);
    assert.deepEqual(missed, [], 'blocks that no test runs: add what they need, or run them');
  });

  test('shows in the README what a push does', async (t) => {
    const [terminal, started, port] = await tryItOut(t, 'README.md', 'npm ci && npm start');
    const push = commandOf('README.md', 'curl ');
    assertPrinted(await terminal.run(push.text.replace('curl', 'curl --silent').replace('8080', port)), push);
    const [, shown = ''] = /^```\n(event → .*?)```/ms.exec(read('README.md')) ?? assert.fail();
    for (const line of shown.trim().split('\n')) await started.line(new RegExp(`^${RegExp.escape(line)}$`, 'm'));
  });

  test('starts the embedded Brigade beside the gateway', async (t) => {
    const [terminal] = await tryItOut(t, 'docs/embedded-brigade.md', 'npm start');
    assert.ok((await readFile(join(terminal.folder, 'data/root-password'), 'utf8')).length > 10);
  });

  test('starts the embedded Brigade by the command of its package', async (t) => {
    await startBrigade(t, commandOf('packages/embedded-brigade/README.md', 'npx embedded-brigade'));
  });

  test('starts the embedded Brigade alone, and uses its API', async (t) => {
    const start = commandOf('docs/embedded-brigade.md', 'npx brigade-acr-gateway brigade');
    const [terminal, port] = await startBrigade(t, start);
    const [assignment, ...requests] = commandsOf('docs/embedded-brigade.md', 'B=');
    assert.equal(assignment?.text, 'B=http://127.0.0.1:8082');
    terminal.export({ B: `http://127.0.0.1:${port}` });
    for (const request of requests) {
      const answer = await terminal.run(request.text.replace('curl', 'curl --silent --fail'));
      if (request.printed !== '') assertPrinted(answer, request);
      if (request.text.includes('/v2/sessions')) terminal.export({ ROOT: JSON.parse(answer).value });
    }
    assert.equal(requests.length, 4);
  });

  test('checks, serves, lists and redelivers dead letters, and backs up the journal', async (t) => {
    const { terminal, brigade, tokens, program } = await aServingTerminal(t);
    assert.match(await terminal.run(commandOf('docs/operations.md', 'npx brigade-acr-gateway check').text), /ready/);
    assert.equal(commandOf('docs/operations.md', 'npx brigade-acr-gateway serve').text, program);
    const started = terminal.start(program);
    const { ingestPort, adminPort } = await whileServing(started);
    const headers = { authorization: `Bearer ${WEBHOOK_TOKEN}` };
    for (let n = 1; n <= 20; n++) await exchange(ingestPort, { body: `{"id":"event-${n}","action":"push"}`, headers });
    await writeFile(tokens, JSON.stringify({ ci: { token: WEBHOOK_TOKEN, registry: 'example.azurecr.io' } }));
    await started.line(/"file\.reloaded"/);
    terminal.export({ ADMIN_URL: `http://127.0.0.1:${adminPort}` });
    for (const { text } of commandsOf('docs/operations.md', 'npx brigade-acr-gateway dead-letters list')) {
      assert.match(await terminal.run(text), /no-registry|redelivered/, text);
    }
    await brigade.untilTaken('event-1', 'event-17', 'event-20');
    const printed = [];
    for (const { text } of commandsOf('docs/operations.md', 'npx brigade-acr-gateway events list')) {
      printed.push(await terminal.run(text));
    }
    const expected = [
      /^20 /,
      /^event +17\n/,
      /^20 events match/,
      /^20 of 20 redel/,
      / paused by /,
      /^deliveries +on\n/,
      /^✓ /,
    ];
    assert.deepEqual(
      printed.map((text, index) => expected[index]?.test(text)),
      expected.map(() => true),
      printed.join('\n'),
    );
    const backup = commandOf('docs/operations.md', 'sqlite3 ');
    if (!isThere('sqlite3')) return t.diagnostic('no backup: there is no sqlite3 here');
    await terminal.run(inFolder(backup.text, terminal));
    assert.ok(existsSync(join(terminal.folder, 'backup/journal.db')));
  });

  test('serves with another sink than Brigade', async (t) => {
    const receiver = await StubBrigade.start(t);
    const terminal = await Terminal.open(t);
    await mkdir(join(terminal.folder, 'secrets'));
    await writeFile(join(terminal.folder, 'secrets/broker-token'), API_TOKEN);
    await writeFile(join(terminal.folder, 'secrets/tokens.json'), JSON.stringify({ ci: WEBHOOK_TOKEN }));
    terminal.export(TEST_ENV);
    const command = inFolder(commandOf('docs/cloudevents.md', 'SINK_URL').text, terminal);
    const host = receiver.address.replace('http://', '');
    await whileServing(
      terminal.start(command.replace('cloudevents+https://broker.example.com', `cloudevents+http://${host}`)),
    );
  });

  test('explains what a rule does with a saved webhook', async (t) => {
    const terminal = await Terminal.open(t);
    const config = blocksIn('yaml').find(({ page }) => page === 'docs/rules.md') ?? assert.fail();
    await writeFile(join(terminal.folder, 'gateway.yaml'), config.text);
    await writeFile(join(terminal.folder, 'tokens.json'), JSON.stringify({ team: WEBHOOK_TOKEN }));
    await writeFile(join(terminal.folder, 'push.json'), aPush('1', { repository: 'team/app', tag: 'nightly' }));
    const settings = { API_ADDRESS: 'http://127.0.0.1:1', API_TOKEN, TOKENS_PATH: 'tokens.json' };
    terminal.export({ ...settings, CONFIG_PATH: 'gateway.yaml' });
    const explain = commandOf('docs/rules.md', 'npx brigade-acr-gateway check');
    assertPrinted((await terminal.run(`${explain.text} || true`)).trim(), explain);
  });

  test('makes a token, and its digest', async (t) => {
    const terminal = await Terminal.open(t);
    const [make, digest] = commandsOf('docs/tokens.md', 'openssl rand');
    await terminal.run(make?.text ?? '');
    const token = await readFile(join(terminal.folder, 'token'), 'utf8');
    assert.equal((await terminal.run(digest?.text ?? '')).split(' ')[0], hash('sha256', token));
    await terminal.run(commandOf('docs/install.md', 'openssl rand').text);
    assert.match(await readFile(join(terminal.folder, 'webhook-token'), 'utf8'), /^[\w+/]{43}=$/);
  });

  test('contains the commands that continuous integration runs', () => {
    const blocks = [commandsOf('CONTRIBUTING.md', 'npm ci'), commandsOf('README.md', 'npm ci && npm test')];
    const commands = blocks.flat().flatMap(({ text }) => text.split(' && ').map((command) => `run ${command}`));
    const lines = read('.ci/run').split('\n');
    assert.deepEqual(
      commands.filter((command) => !lines.includes(command)),
      [],
    );
  });
});
