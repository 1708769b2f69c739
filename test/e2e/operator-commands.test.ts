import assert from 'node:assert/strict';
import { after, suite, test } from 'node:test';
import { anInstallation, type Env, GatewayProcess, run, type ServingGateway, serve } from '../support/serve-process.ts';
import { anError, type Cleanup, CREATED, type Reaction, StubBrigade } from '../support/stub-brigade.ts';
import { accept, aPush, eventOf, operatorEnv, push, untilCompleted } from '../support/webhooks.ts';

const UNMATCHED: Reaction = { kind: 'answer', status: 201, body: '{"kind":"EventList","items":[]}' };

interface Rig {
  readonly brigade: StubBrigade;
  readonly gateway: ServingGateway;
  readonly env: Env;
  /** Runs a command that must end with this code, and returns what it printed. */
  ask(code: number, ...args: readonly string[]): Promise<string>;
}

/** A gateway with events in every state: 1 and 2 delivered, 3 unmatched, 4 and 5 dead letters. */
async function aRig(t: Cleanup): Promise<Rig> {
  const brigade = await StubBrigade.start(t);
  const gateway = await serve(t, await anInstallation(t, brigade.address));
  brigade.onEvent = ({ sourceState: { state } }) => {
    if (state.eventID.startsWith('letter')) return anError(404, 'Brigade said why');
    return state.eventID === 'unmatched' ? UNMATCHED : CREATED;
  };
  await accept(gateway, aPush('one', { repository: 'team/app', tag: 'v1' }));
  await accept(gateway, aPush('two', { repository: 'team/app', tag: 'v2' }));
  for (const id of ['unmatched', 'letter-1', 'letter-2']) await push(gateway, id);
  await gateway.process.line('delivery.attempted', ({ seq }) => seq === 5);
  const env = operatorEnv(gateway);
  return {
    brigade,
    gateway,
    env,
    ask: async (code, ...args) => {
      const ended = await run({ after: () => {} }, args, env);
      assert.equal(ended.code, code, ended.output + ended.errors);
      return code === 0 || ended.output !== '' ? ended.output : ended.errors;
    },
  };
}

suite('events', { concurrency: 1 }, async () => {
  const cleanups: (() => unknown)[] = [];
  after(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });
  const { brigade, gateway, env, ask } = await aRig({ after: (work) => cleanups.push(work) });
  const seqs = async (...filter: readonly string[]): Promise<readonly number[]> =>
    JSON.parse(await ask(0, 'events', 'list', '--json', ...filter)).map(({ seq }: { seq: number }) => seq);

  test('are listed newest first, each in a line', async () => {
    const lines = (await ask(0, 'events', 'list')).split('\n');
    assert.equal(lines.length, 5);
    assert.match(
      lines[0] ?? '',
      /^5 {2}\S+T\S+:\d\dZ {2}dead-lettered {2}push {2}example\.azurecr\.io\/hello-world:v1 {2}rejected: 404 Brigade said why$/,
    );
    assert.match(lines[2] ?? '', /^3 .* unmatched /);
  });

  const all = [5, 4, 3, 2, 1];
  const filters: readonly (readonly [filter: string, expected: readonly number[]])[] = [
    ['--state dead-letter', [5, 4]],
    ['--repository team/*', [2, 1]],
    ['--repository team/* --tag v1', [1]],
    ['--unmatched', [3]],
    ['--matched', [2, 1]],
    ['--id letter-1', [4]],
    ['--caller ci --registry example.azurecr.io --action push --format acr', all],
    ['--caller another', []],
    ['--since 1h --until 2100-01-01', all],
    ['--until 1h', []],
    ['--before 3 --limit 1', [2]],
  ];
  test('are found by every filter', async () => {
    const found = await Promise.all(filters.map(async ([filter]) => [filter, await seqs(...filter.split(' '))]));
    assert.deepEqual(found, filters);
  });

  test('are shown with attempts, created events, headers and payload', async () => {
    const delivered = await ask(0, 'events', 'show', '1');
    assert.match(delivered, /^event {6}1\nwhat {7}push example\.azurecr\.io\/team\/app:v1\nstate {6}delivered\n/);
    assert.match(delivered, /\nattempt {4}\S+Z {2}delivered in \d+ ms\ncreated {4}created-1 {2}hello\n/);
    assert.ok(delivered.includes('"repository": "team/app"'), delivered);
    assert.match(await ask(0, 'events', 'show', '4'), /\nreason {5}rejected since \S+Z: 404 Brigade said why\n/);
    assert.equal(JSON.parse(await ask(0, 'events', 'show', '4', '--json')).deadLetter.reason, 'rejected');
    assert.match(await ask(1, 'events', 'show', '4711'), /404: there is no such event/);
  });

  test('of a running gateway are explained with the rules of today', async () => {
    const explained = await ask(0, 'check', '--seq', '4');
    assert.match(explained, /^caller {3}ci\nformat {3}acr\n[\s\S]*result {3}accepted\n/);
  });

  test('are changed only when a command says which, and that it means it', async () => {
    assert.match(await ask(64, 'events', 'redeliver'), /give either sequence numbers, or flags/);
    assert.match(await ask(64, 'events', 'discard', '4', '--state', 'dead-letter'), /give either/);
    assert.equal(
      await ask(0, 'events', 'redeliver', '--state', 'dead-letter'),
      '2 events match. Add --yes to redeliver them.',
    );
    assert.equal(await ask(0, 'events', 'discard', '--id', 'letter-1'), '1 event matches. Add --yes to discard it.');
    assert.deepEqual(await seqs('--state', 'dead-letter'), [5, 4]);
  });

  test('that are discarded stay in the books', async () => {
    assert.equal(await ask(1, 'events', 'discard', '1', '4'), '1  no-dead-letter\n4  discarded');
    assert.match(await ask(0, 'events', 'list', '--state', 'discarded'), /^4 .* discarded .* by admin$/);
    assert.equal(await ask(0, 'events', 'discard', '--id', 'letter-2', '--yes'), '1 discarded');
    assert.equal(await ask(0, 'dead-letters', 'list'), 'There are no dead letters.');
  });

  test('are redelivered by numbers, or by a filter in the gateway', async () => {
    assert.equal(await ask(0, 'events', 'redeliver', '1'), '1  redelivered');
    assert.equal(await ask(0, 'events', 'redeliver', '--repository', 'team/**', '--yes'), '2 of 2 redelivered');
    await brigade.until(() => brigade.arrivalsOf('one').length === 3 && brigade.arrivalsOf('two').length === 2);
    const [job] = JSON.parse(await ask(0, 'redeliveries', 'list', '--json'));
    assert.deepEqual([job.state, job.by, job.redelivered, job.filter], ['done', 'admin', 2, { repository: 'team/**' }]);
    assert.match(await ask(0, 'redeliveries', 'list'), / 2\/2 .* repository=team\/\*\*$/);
    assert.match(await ask(1, 'redeliveries', 'cancel', job.id), /answered 4\d\d/);
  });

  test('wait while deliveries are paused', async () => {
    assert.match(await ask(0, 'deliveries', 'pause'), /^deliveries {2}paused by admin since \S+Z\n/);
    const seq = await push(gateway, 'waiting');
    assert.equal((await eventOf(gateway, seq)).state, 'pending');
    assert.equal(JSON.parse(await ask(0, 'deliveries', 'status', '--json')).paused.by, 'admin');
    assert.match(await ask(0, 'deliveries', 'resume'), /^deliveries {2}on\n/);
    await untilCompleted(gateway, 'waiting');
  });

  test('are followed as they come and change', async (t) => {
    const tail = GatewayProcess.start(t, ['events', 'tail', '--id', 'followed', '--json'], { env });
    const last = GatewayProcess.start(t, ['events', 'tail', '--repository', 'team/*'], { env });
    await last.print(/^1 .* delivered /);
    await push(gateway, 'followed');
    await tail.print(/"state":"delivered"/);
  });
});
