import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { anInstallation, journalAt, serve } from '../support/serve-process.ts';
import { StubBrigade } from '../support/stub-brigade.ts';
import { push } from '../support/webhooks.ts';

const CALLS =
  'openat,open,mkdir,mkdirat,rename,renameat,renameat2,read,readv,recvfrom,write,writev,sendto,sendmsg,pwrite64,fsync,fdatasync';

/** A system call: `-y` has strace write files and sockets as `12</path>`. */
interface Call {
  readonly name: string;
  readonly args: string;
  readonly result: string;
  /** Positions among all lines of the trace. */
  readonly began: number;
  readonly ended: number;
}

/** Runs the gateway under strace for a webhook; resolves to its system calls, those of all threads in one order. */
async function trace(t: TestContext, journal: (folder: string) => string): Promise<Trace | undefined> {
  if (spawnSync('strace', ['-V']).status !== 0) {
    t.skip('strace is not installed (Debian package strace)');
    return undefined;
  }
  const brigade = await StubBrigade.start(t);
  const installation = await anInstallation(t, brigade.address);
  const { folder } = installation;
  const output = join(folder, 'trace');
  const path = journal(folder);
  const runner = ['strace', '-D', '-f', '-y', '-ttt', '-s', '64', '-e', `trace=${CALLS}`, '-o', output];
  const gateway = await serve(t, { ...installation, runner }, journalAt(path));
  await push(gateway, 'traced');
  // With -D the gateway is the child, and strace ends after it and holds its output open until then.
  gateway.process.signal('SIGTERM');
  assert.equal(await gateway.process.ended, 0, gateway.process.everything);
  return { calls: parse(readFileSync(output, 'utf8')), folder, path };
}

interface Trace {
  readonly calls: readonly Call[];
  readonly folder: string;
  readonly path: string;
}

/** A call that another thread interrupts is on two lines: `… <unfinished ...>` and `<... name resumed>…`. */
function parse(text: string): readonly Call[] {
  const calls: Call[] = [];
  const unfinished = new Map<string, { readonly name: string; readonly args: string; readonly began: number }>();
  for (const [index, line] of text.split('\n').entries()) {
    const [, thread = '', rest = ''] = /^(\d+)\s+[\d.]+\s(.*)$/.exec(line) ?? [];
    const [, resumed, tail = ''] = /^<\.\.\. (\w+) resumed>(.*)$/.exec(rest) ?? [];
    const open = unfinished.get(thread);
    if (resumed !== undefined && open !== undefined) {
      unfinished.delete(thread);
      calls.push({ ...open, ...split(`${open.args}${tail}`), ended: index });
      continue;
    }
    const [, name = '', args = ''] = /^(\w+)\((.*)$/.exec(rest) ?? [];
    if (args.endsWith('<unfinished ...>')) unfinished.set(thread, { name, args: args.slice(0, -16), began: index });
    else if (name !== '') calls.push({ name, ...split(args), began: index, ended: index });
  }
  return calls;
}

function split(text: string): { readonly args: string; readonly result: string } {
  const end = text.lastIndexOf(') = ');
  const equals = end === -1 ? text.lastIndexOf(' = ') : end + 1;
  return { args: text.slice(0, equals), result: text.slice(equals + 3).trim() };
}

function isSyncOf({ name, args, result }: Call, path: string): boolean {
  return /^f(data)?sync$/.test(name) && args.includes(`<${path}>`) && result.startsWith('0');
}

test('the log of the journal is synced between reading a webhook and answering it', async (t) => {
  const traced = await trace(t, (folder) => join(folder, 'journal.db'));
  if (traced === undefined) return;
  const { calls, path } = traced;
  const read = calls.find(({ name, args }) => /^(read|readv|recvfrom)$/.test(name) && args.includes('POST /events'));
  const answered = calls.find(
    ({ name, args }) => /^(write|writev|sendto|sendmsg)$/.test(name) && args.includes('HTTP/1.1 200'),
  );
  if (read === undefined || answered === undefined) return assert.fail('the webhook is not in the trace');

  const written = calls.filter(
    ({ name, args, began, ended }) =>
      /^p?write/.test(name) && args.includes(`<${path}-wal>`) && began > read.ended && ended < answered.began,
  );
  const synced = calls.filter(
    (call) => isSyncOf(call, `${path}-wal`) && call.began > read.ended && call.ended < answered.began,
  );

  assert.ok(written.length > 0, 'the record is written to the log');
  const lastWrite = Math.max(...written.map(({ ended }) => ended));
  assert.ok(
    synced.some(({ began }) => began > lastWrite),
    'the log is synced after the last write to it',
  );
});

test('a new journal and all folders created for it are synced before a webhook is answered', async (t) => {
  const traced = await trace(t, (folder) => join(folder, 'one', 'two', 'journal.db'));
  if (traced === undefined) return;
  const { calls, folder, path } = traced;
  const answered = calls.findIndex(({ args }) => args.includes('HTTP/1.1 200'));
  const before = calls.slice(0, answered);
  const named = before.findIndex(({ name, args }) => name.startsWith('rename') && args.includes(`"${path}"`));
  assert.notEqual(named, -1, 'the database gets its name');
  assert.ok(before.slice(named).some((call) => isSyncOf(call, path)));
  assert.ok(before.slice(named).some((call) => isSyncOf(call, dirname(path))));
  for (const made of [dirname(path), dirname(dirname(path))]) {
    const creation = before.findIndex(({ name, args }) => name.startsWith('mkdir') && args.includes(`"${made}"`));
    assert.notEqual(creation, -1, `${made} is made`);
    assert.ok(
      before.slice(creation).some((call) => isSyncOf(call, dirname(made))),
      `the name of ${made} is synced`,
    );
  }
  assert.equal(dirname(dirname(dirname(path))), folder);
});
